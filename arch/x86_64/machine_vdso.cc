// What is written over the vDSO of x86_64: the plain syscall. The C calling convention and the
// syscall convention agree in the first three arguments, all that these functions have, and rcx and
// r11, which the syscall clobbers, belong to the callee. Or a jump into another vDSO, by rax, which
// is the callee's too.
#include <cerrno>

#include "arch/arch.h"
#include "arch/vdso_elf.h"

namespace retake::machine {
namespace {

void Append32(std::vector<uint8_t>& bytes, uint32_t value) {
  for (int shift = 0; shift < 32; shift += 8) bytes.push_back(static_cast<uint8_t>(value >> shift));
}

// mov $number, %eax; syscall; ret
std::vector<uint8_t> MakeTheCall(uint32_t number) {
  std::vector<uint8_t> bytes = {0xb8};
  Append32(bytes, number);
  bytes.insert(bytes.end(), {0x0f, 0x05, 0xc3});
  return bytes;
}

// mov $result, %rax (sign-extended); ret
std::vector<uint8_t> JustAnswer(int32_t result) {
  std::vector<uint8_t> bytes = {0x48, 0xc7, 0xc0};
  Append32(bytes, static_cast<uint32_t>(result));
  bytes.push_back(0xc3);
  return bytes;
}

// movabs $address, %rax; jmp *%rax
std::vector<uint8_t> GoOnAt(uint64_t address) {
  std::vector<uint8_t> bytes = {0x48, 0xb8};
  Append32(bytes, static_cast<uint32_t>(address));
  Append32(bytes, static_cast<uint32_t>(address >> 32));
  bytes.insert(bytes.end(), {0xff, 0xe0});
  return bytes;
}

// `targets`: where functions go on, by name.
Result<std::vector<Patch>> Patches(ByteSpan elf, const VdsoTargets& targets) {
  std::vector<VdsoFunction> functions = TRY(VdsoFunctions(elf, HostArch()));
  std::vector<Patch> patches;
  for (const VdsoFunction& function : functions) {
    if (function.sys == Sys::kNone) continue;
    // vDSO getrandom's state isn't the syscall's; libc falls back to the syscall.
    std::vector<uint8_t> bytes = function.sys == Sys::getrandom
                                     ? JustAnswer(-ENOSYS)
                                     : MakeTheCall(HostArch().NumberOf(function.sys));
    auto target = targets.find(function.name);
    if (target != targets.end()) {
      std::vector<uint8_t> jump = GoOnAt(target->second);
      if (CheckPatchFits(functions, function, function.offset, jump.size()).ok())
        bytes = std::move(jump);
    }
    TRY(CheckPatchFits(functions, function, function.offset, bytes.size()));
    bool alias = false;
    for (const Patch& patch : patches) alias |= patch.offset == function.offset;
    if (!alias) patches.push_back({function.offset, std::move(bytes)});
  }
  return patches;
}

}  // namespace

Result<std::vector<Patch>> VdsoPatches(ByteSpan elf) { return Patches(elf, {}); }

Result<std::vector<Patch>> VdsoForwards(ByteSpan elf, ByteSpan other, uint64_t address) {
  return Patches(elf, TRY(TargetsIn(other, address, HostArch())));
}

}  // namespace retake::machine
