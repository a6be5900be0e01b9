// The dynamic loader's save of the vector state (glibc, sysdeps/x86_64/dl-trampoline.h): at the
// first call of a function through the PLT it saves the state with xsavec, looks the function up,
// and puts the state back with xrstor.
//
// What xsavec leaves in memory isn't a function of the registers. It leaves out components that the
// CPU holds to be in their initial configuration, and the CPU may or may not notice that one is
// (Intel SDM volume 1, 13.6, XINUSE): the SSE bit has been seen to change by itself in a virtual
// machine, some 10 times in 100,000, when the hypervisor ran in between. The program never sees the
// difference, but the bytes stay below its stack pointer, where hashes of memory, and whoever uses
// uninitialised variables, find them.
//
// So the instruction becomes a jump to code that makes the same bytes of the same registers: zeros
// what xsavec may leave out, and then calls all components saved, since zeros (and for MXCSR what
// is stored here) are what is restored for one that isn't.
#include <sys/platform/x86.h>

#include <cstring>
#include <span>

#include "arch/arch.h"

namespace retake::machine {
namespace {

constexpr uint32_t kXsaveLegacyBytes = 512;
constexpr uint32_t kXsaveHeaderBytes = 64;
constexpr int32_t kMxcsrOffset = 24;
constexpr int32_t kMxcsrMaskOffset = 28;
constexpr int32_t kXstateBvOffset = 512;
constexpr int32_t kXcompBvOffset = 520;
constexpr uint32_t kMxcsrMask = 0xffff;  // the bits that every x86_64 has

constexpr uint8_t kSaveOpcode = 0xc7;  // behind 0f
constexpr size_t kJumpBytes = 5;
constexpr size_t kMostBefore = 96;  // bytes between the mask and the save, between save and restore
constexpr size_t kMostAfter = 48;
constexpr size_t kAlign = 16;

// Bytes of a component in the compacted form (SDM volume 1, 13.4): what cpuid's leaf 13 says on
// every CPU that has it. All are multiples of 64, so alignment needs no thought.
uint32_t ComponentBytes(int component) {
  switch (component) {
    case 2:  // AVX
      return 256;
    case 3:  // bounds registers
    case 4:  // bounds configuration
    case 5:  // opmask
      return 64;
    case 6:  // upper halves of zmm0-15
      return 512;
    case 7:  // zmm16-31
      return 1024;
    case 19:  // extended general registers
      return 128;
    default:
      return 0;
  }
}

uint32_t EnabledComponents() {
  // Known from before main: once cpuid traps, it can't be asked here.
  if (!CPU_FEATURE_PRESENT(OSXSAVE)) return 3;
  uint32_t low, high;
  asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return low;
}

// Of a compacted area with these components; nullopt if there is one that isn't known.
std::optional<uint32_t> AreaBytes(uint32_t components) {
  uint32_t bytes = kXsaveLegacyBytes + kXsaveHeaderBytes;
  for (int component = 2; component < 32; ++component) {
    if ((components >> component & 1) == 0) continue;
    if (ComponentBytes(component) == 0) return std::nullopt;
    bytes += ComponentBytes(component);
  }
  return bytes;
}

struct Save {
  size_t offset = 0;   // of the instruction
  uint8_t length = 0;  // of it
  int32_t area = 0;    // where it saves, from the stack pointer
  uint32_t mask = 0;   // of components, in eax
};

int32_t Read32(ByteSpan code, size_t at) {
  int32_t value = 0;
  memcpy(&value, code.data() + at, sizeof value);
  return value;
}

bool Matches(ByteSpan code, size_t at, std::initializer_list<uint8_t> bytes) {
  return code.size() - at >= bytes.size() &&
         std::equal(bytes.begin(), bytes.end(), code.begin() + static_cast<ptrdiff_t>(at));
}

// The instruction at `at`, if it is `0f OPCODE /REG` with an operand at the stack pointer.
std::optional<Save> DecodeAtStack(ByteSpan code, size_t at, uint8_t opcode, uint8_t reg) {
  uint8_t modrm8 = static_cast<uint8_t>(0x44 | reg << 3);
  uint8_t modrm32 = static_cast<uint8_t>(0x84 | reg << 3);
  if (Matches(code, at, {0x0f, opcode, modrm8, 0x24}) && code.size() - at >= 5)
    return Save{at, 5, static_cast<int8_t>(code[at + 4]), 0};
  if (Matches(code, at, {0x0f, opcode, modrm32, 0x24}) && code.size() - at >= 8)
    return Save{at, 8, Read32(code, at + 4), 0};
  return std::nullopt;
}

// A save as the loader has it: the mask before, the restore of the same area behind.
std::optional<Save> FindSave(ByteSpan code, size_t at) {
  std::optional<Save> save = DecodeAtStack(code, at, kSaveOpcode, 4);
  if (!save) return std::nullopt;
  bool restored = false;
  for (size_t behind = at + save->length; behind < at + kMostAfter && behind < code.size();
       ++behind) {
    std::optional<Save> restore = DecodeAtStack(code, behind, 0xae, 5);
    if (restore && restore->area == save->area) restored = true;
  }
  if (!restored) return std::nullopt;
  for (size_t back = 7; back < kMostBefore && back <= at; ++back) {
    // mov $mask, %eax; xor %edx, %edx
    if (code[at - back] != 0xb8 || !Matches(code, at - back + 5, {0x31, 0xd2})) continue;
    save->mask = static_cast<uint32_t>(Read32(code, at - back + 1));
    return save;
  }
  return std::nullopt;
}

void Add(std::vector<uint8_t>& bytes, std::initializer_list<uint8_t> more) {
  for (uint8_t byte : more) bytes.push_back(byte);
}
void Add32(std::vector<uint8_t>& bytes, int64_t value) {
  for (int shift = 0; shift < 32; shift += 8) bytes.push_back(static_cast<uint8_t>(value >> shift));
}

// What is executed in place of the save. It changes no register and no flag that the loader's code
// uses; it writes below the stack pointer, as the call that follows does.
std::vector<uint8_t> Trampoline(const Save& save, ByteSpan original, uint32_t area_bytes) {
  std::vector<uint8_t> bytes;
  Add(bytes, {0x57, 0x51, 0x50});        // push %rdi, %rcx, %rax
  Add(bytes, {0x48, 0x8d, 0xbc, 0x24});  // lea area(%rsp), %rdi
  Add32(bytes, save.area + 3 * 8);
  Add(bytes, {0xb9});  // mov $words, %ecx
  Add32(bytes, area_bytes / 8);
  Add(bytes, {0x31, 0xc0});        // xor %eax, %eax
  Add(bytes, {0xf3, 0x48, 0xab});  // rep stosq
  Add(bytes, {0x58, 0x59, 0x5f});  // pop %rax, %rcx, %rdi
  bytes.insert(bytes.end(), original.begin(), original.end());
  Add(bytes, {0x0f, 0xae, 0x9c, 0x24});  // stmxcsr area + 24(%rsp)
  Add32(bytes, save.area + kMxcsrOffset);
  Add(bytes, {0xc7, 0x84, 0x24});  // movl $mask, area + 28(%rsp)
  Add32(bytes, save.area + kMxcsrMaskOffset);
  Add32(bytes, kMxcsrMask);
  Add(bytes, {0x8b, 0x84, 0x24});  // mov area + 520(%rsp), %eax: the components that there are
  Add32(bytes, save.area + kXcompBvOffset);
  Add(bytes, {0x89, 0x84, 0x24});  // mov %eax, area + 512(%rsp): those that are saved
  Add32(bytes, save.area + kXstateBvOffset);
  Add(bytes, {0xb8});  // mov $mask, %eax
  Add32(bytes, save.mask);
  return bytes;
}

void AddJump(std::vector<uint8_t>& bytes, size_t from, size_t to) {
  Add(bytes, {0xe9});
  Add32(bytes, static_cast<int64_t>(to) - static_cast<int64_t>(from + kJumpBytes));
}

}  // namespace

std::vector<Patch> LoaderPatches(ByteSpan code) {
  std::vector<Patch> patches;
  // The linker fills the last page with zeros, some of which may be an instruction's.
  size_t used = code.size();
  while (used > 0 && code[used - 1] == 0) --used;
  size_t room = (used + 2 * kAlign - 1) & ~(kAlign - 1);
  // The second byte of the instruction is rarer than the first.
  for (size_t at = 1; at < used; ++at) {
    const void* found = memchr(code.data() + at, kSaveOpcode, used - at);
    if (found == nullptr) break;
    at = static_cast<size_t>(static_cast<const uint8_t*>(found) - code.data());
    std::optional<Save> save = FindSave(code, at - 1);
    if (!save) continue;
    std::optional<uint32_t> area = AreaBytes(save->mask & EnabledComponents());
    if (!area) continue;
    std::vector<uint8_t> trampoline =
        Trampoline(*save, code.subspan(save->offset, save->length), *area);
    AddJump(trampoline, room + trampoline.size(), save->offset + save->length);
    if (room + trampoline.size() > code.size()) break;
    std::vector<uint8_t> jump;
    AddJump(jump, save->offset, room);
    patches.push_back({room, std::move(trampoline)});
    patches.push_back({save->offset, std::move(jump)});
    room = (room + patches[patches.size() - 2].bytes.size() + kAlign - 1) & ~(kAlign - 1);
  }
  return patches;
}

}  // namespace retake::machine
