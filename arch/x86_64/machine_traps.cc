// How x86_64 makes instructions trap, and what a program that asks cpuid is told.
//
// PR_SET_TSC makes rdtsc fault; it is a flag of the thread that fork and exec keep. ARCH_SET_CPUID
// makes cpuid fault where the CPU can (Intel since Ivy Bridge, AMD since Zen 4); fork keeps it,
// exec clears it. Nothing can make rdrand, rdseed, rdpid, tpause or a transaction's abort trap, so
// cpuid hides them.
#include <sys/prctl.h>
#include <ucontext.h>

#include "arch/arch.h"
#include "arch/x86_64/layout.h"

namespace retake::machine {
namespace {

using namespace x86_64;

// <asm/prctl.h>
constexpr uint64_t kArchSetCpuid = 0x1012;

constexpr uint32_t Bit(int bit) { return uint32_t{1} << bit; }

// Leaf 1, ecx.
constexpr uint32_t kRdrand = Bit(30);
// What x86-64-v2 lacks or doesn't promise: pclmul, monitor, fma, pcid, movbe, aes, xsave, osxsave,
// avx, f16c.
constexpr uint32_t kBeyondV2 =
    Bit(1) | Bit(3) | Bit(12) | Bit(17) | Bit(22) | Bit(25) | Bit(26) | Bit(27) | Bit(28) | Bit(29);
// Leaf 7, subleaf 0.
constexpr uint32_t kHle = Bit(4), kRtm = Bit(11), kRdseed = Bit(18);  // ebx
constexpr uint32_t kWaitpkg = Bit(5), kRdpid = Bit(22);               // ecx
constexpr uint32_t kTsxldtrk = Bit(16);                               // edx

}  // namespace

std::optional<TrapSwitch> TimestampTrap(bool on) {
  uint64_t mode = on ? PR_TSC_SIGSEGV : PR_TSC_ENABLE;
  return TrapSwitch{Sys::prctl, {PR_SET_TSC, mode}};
}

// The flag is in CR4, whose writes AMD's virtual machines trap (Intel's don't).
bool TimestampSwitchIsDear() { return true; }

bool AnswerOwnTimestamp(void* context, void (*switch_trap)(bool on)) {
  auto& words = static_cast<ucontext_t*>(context)->uc_mcontext.gregs;
  // It was fetched a moment ago, and is as long as its last byte says.
  const auto* code = reinterpret_cast<const uint8_t*>(words[REG_RIP]);
  bool rdtsc = code[0] == 0x0f && code[1] == 0x31;
  bool rdtscp = code[0] == 0x0f && code[1] == 0x01 && code[2] == 0xf9;
  if (!rdtsc && !rdtscp) return false;
  uint32_t low, high, cpu;
  switch_trap(false);
  if (rdtscp) {
    asm volatile("rdtscp" : "=a"(low), "=d"(high), "=c"(cpu));
    words[REG_RCX] = cpu;
  } else {
    asm volatile("rdtsc" : "=a"(low), "=d"(high));
  }
  switch_trap(true);
  words[REG_RAX] = low;
  words[REG_RDX] = high;
  words[REG_RIP] += rdtscp ? 3 : 2;
  return true;
}

bool AnswerOwnCpuid(void* context, void (*switch_trap)(bool on)) {
  auto& words = static_cast<ucontext_t*>(context)->uc_mcontext.gregs;
  const auto* code = reinterpret_cast<const uint8_t*>(words[REG_RIP]);
  if (code[0] != 0x0f || code[1] != 0xa2) return false;
  switch_trap(false);
  CpuidResult result =
      ReadCpuid(static_cast<uint32_t>(words[REG_RAX]), static_cast<uint32_t>(words[REG_RCX]));
  switch_trap(true);
  words[REG_RAX] = result.eax;
  words[REG_RBX] = result.ebx;
  words[REG_RCX] = result.ecx;
  words[REG_RDX] = result.edx;
  words[REG_RIP] += 2;
  return true;
}

std::span<const TrapSwitch> CallsAfterExec() { return {}; }

std::optional<TrapSwitch> CpuidTrap(bool on) {
  return TrapSwitch{Sys::arch_prctl, {kArchSetCpuid, on ? 0U : 1U}};
}

CpuidResult MaskCpuid(uint32_t leaf, uint32_t subleaf, CpuidResult value, bool portable) {
  if (leaf == 1) value.ecx &= ~kRdrand;
  if (leaf == 7 && subleaf == 0) {
    value.ebx &= ~(kHle | kRtm | kRdseed);
    value.ecx &= ~(kWaitpkg | kRdpid);
    value.edx &= ~kTsxldtrk;
  }
  if (!portable) return value;
  if (leaf == 1) value.ecx &= ~kBeyondV2;
  // Extended features, vector state, tiles: none.
  if (leaf == 7 || leaf == 0xd || leaf == 0x19 || (leaf >= 0x1c && leaf <= 0x24 && leaf != 0x1f))
    return {};
  return value;
}

}  // namespace retake::machine
