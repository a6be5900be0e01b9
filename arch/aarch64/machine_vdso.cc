// What is written over the vDSO of aarch64. A function with room for it makes the plain syscall
// (the calling convention and the syscall convention agree in all arguments these have). One
// without becomes a branch to a trampoline: on some kernels __kernel_clock_getres is two
// instructions long and the next function follows at once. The trampoline lies in what is left of a
// larger function that is replaced as well, so that it too stays inside a patched symbol. What goes
// on in another vDSO jumps there by x16, which any call may change.
//
// Each starts with bti c, a no-op where branch target identification is off: some distributions
// map the vDSO with it on. A trampoline needs none, since only direct branches reach it.
#include <algorithm>
#include <cerrno>

#include "arch/arch.h"
#include "arch/vdso_elf.h"

namespace retake::machine {
namespace {

constexpr uint32_t kBtiC = 0xd503245f;
constexpr uint32_t kSvc = 0xd4000001;
constexpr uint32_t kRet = 0xd65f03c0;
constexpr uint32_t kMovzX8 = 0xd2800008;     // movz x8, #imm16 << 5
constexpr uint32_t kMovnX0 = 0x92800000;     // movn x0, #imm16 << 5: x0 = ~imm
constexpr uint32_t kBranch = 0x14000000;     // b #imm26
constexpr uint32_t kLoadX16 = 0x58000050;    // ldr x16, what lies behind the next instruction
constexpr uint32_t kBranchX16 = 0xd61f0200;  // br x16
constexpr uint64_t kInstruction = 4;         // bytes

using Code = std::vector<uint32_t>;

// The body of a replacement, without its landing pad.
Code Body(const VdsoFunction& function, const VdsoTargets& targets) {
  Sys sys = function.sys;
  if (auto target = targets.find(function.name); target != targets.end()) {
    return {kLoadX16, kBranchX16, static_cast<uint32_t>(target->second),
            static_cast<uint32_t>(target->second >> 32)};
  }
  // vDSO getrandom's state isn't the syscall's; libc falls back to the syscall.
  if (sys == Sys::getrandom) return {kMovnX0 | (ENOSYS - 1) << 5, kRet};
  auto number = static_cast<uint32_t>(HostArch().NumberOf(sys));
  return {kMovzX8 | number << 5, kSvc, kRet};
}

Code WithPad(const Code& body) {
  Code code = {kBtiC};
  code.insert(code.end(), body.begin(), body.end());
  return code;
}

uint64_t BytesOf(const Code& code) { return code.size() * kInstruction; }

Patch PatchOf(uint64_t offset, const Code& code) {
  Patch patch{offset, {}};
  for (uint32_t insn : code) {
    for (int shift = 0; shift < 32; shift += 8) {
      patch.bytes.push_back(static_cast<uint8_t>(insn >> shift));
    }
  }
  return patch;
}

uint32_t Branch(uint64_t from, uint64_t to) {
  return kBranch | (static_cast<uint32_t>((to - from) / kInstruction) & 0x3ffffff);
}

// One replaced function; aliases are merged.
struct Target {
  const VdsoFunction* function;
  uint64_t size;  // bytes that are its alone
  uint64_t used = 0;
};

// The bytes of a function up to the next one, whatever its symbol says.
uint64_t OwnBytes(const std::vector<VdsoFunction>& all, const VdsoFunction& function) {
  uint64_t size = function.size;
  for (const VdsoFunction& other : all) {
    if (other.offset > function.offset) size = std::min(size, other.offset - function.offset);
    if (other.offset == function.offset) size = std::min(size, other.size);
  }
  return size;
}

Error NoRoom(const VdsoFunction& function) {
  return MakeError("the vDSO's {} has {} bytes: no room to patch it", function.name, function.size);
}

Result<std::vector<Patch>> Patches(ByteSpan elf, const VdsoTargets& forwards) {
  std::vector<VdsoFunction> functions = TRY(VdsoFunctions(elf, HostArch()));
  std::vector<Target> targets;
  for (const VdsoFunction& function : functions) {
    if (function.sys == Sys::kNone) continue;
    if (function.offset % kInstruction != 0) return NoRoom(function);
    bool alias = false;
    for (const Target& target : targets) alias |= target.function->offset == function.offset;
    if (!alias) targets.push_back({&function, OwnBytes(functions, function)});
  }

  std::vector<Patch> patches;
  std::vector<Target*> small;
  for (Target& target : targets) {
    Code code = WithPad(Body(*target.function, forwards));
    if (target.size < BytesOf(code)) {
      small.push_back(&target);
      continue;
    }
    target.used = BytesOf(code);
    patches.push_back(PatchOf(target.function->offset, code));
  }
  for (Target* target : small) {
    const VdsoFunction& function = *target->function;
    Code body = Body(function, forwards);
    Target* host = nullptr;
    for (Target& other : targets) {
      bool replaced = other.used > 0 && &other != target;
      if (replaced && other.size - other.used >= BytesOf(body)) host = &other;
    }
    if (host == nullptr || target->size < kInstruction) return NoRoom(function);
    uint64_t trampoline = host->function->offset + host->used;
    host->used += BytesOf(body);
    patches.push_back(PatchOf(trampoline, body));
    // Only one that has room for the landing pad may be called indirectly where that is enforced.
    Code entry;
    if (target->size >= 2 * kInstruction) entry.push_back(kBtiC);
    entry.push_back(Branch(function.offset + BytesOf(entry), trampoline));
    patches.push_back(PatchOf(function.offset, entry));
  }
  for (const Target& target : targets) {
    TRY(CheckPatchFits(functions, *target.function, target.function->offset,
                       std::max(target.used, kInstruction)));
  }
  return patches;
}

}  // namespace

Result<std::vector<Patch>> VdsoPatches(ByteSpan elf) { return Patches(elf, {}); }

Result<std::vector<Patch>> VdsoForwards(ByteSpan elf, ByteSpan other, uint64_t address) {
  return Patches(elf, TRY(TargetsIn(other, address, HostArch())));
}

}  // namespace retake::machine
