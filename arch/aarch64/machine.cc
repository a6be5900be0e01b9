// The machine half of aarch64: register accessors, restart rules, trapping instructions,
// breakpoints. Pure functions; arch/aarch64/layout.h says what shapes them.
#include <sys/auxv.h>

#include <cstring>

#include "arch/aarch64/counter_reads.h"
#include "arch/aarch64/layout.h"
#include "arch/arch.h"

namespace retake {

namespace machine {
namespace {

using namespace aarch64;

// <linux/elf.h>
constexpr uint32_t kNtPrstatus = 1;
constexpr uint32_t kNtPrfpreg = 2;
constexpr uint32_t kNtArmTls = 0x401;
constexpr uint32_t kNtArmSve = 0x405;
constexpr uint32_t kNtArmSystemCall = 0x404;

// A kernel without TPIDR2 fills, and takes, only the first half of NT_ARM_TLS.
constexpr Regset kRegsets[] = {
    {kNtPrstatus, kX0, (kPstate + 1) * sizeof(uint64_t), false},
    {kNtArmTls, kTpidr, 2 * sizeof(uint64_t), false},
    {kNtArmSystemCall, kSyscallNumber, sizeof(uint32_t), false},
};

// NT_ARM_SYSTEM_CALL is an int: the word holds its 32 bits.
constexpr uint64_t kNoSyscall = 0xffffffff;

// PSTATE.SS (<asm/ptrace.h>: DBG_SPSR_SS), the debugger's; and BTYPE, which says how the last
// branch was made and is gone after any single instruction.
constexpr uint64_t kSingleStep = uint64_t{1} << 21;
constexpr uint64_t kBranchType = uint64_t{3} << 10;
// PSTATE.SSBS.
constexpr uint64_t kStoreBypassSafe = uint64_t{1} << 12;

// ERESTARTSYS and ERESTART_RESTARTBLOCK of Linux include/linux/errno.h.
constexpr int64_t kFirstRestart = -512;
constexpr int64_t kLastRestart = -516;

constexpr uint8_t kBrk[] = {0x00, 0x00, 0x20, 0xd4};  // brk #0

int64_t NumberAt(const Registers& regs) { return static_cast<int32_t>(regs.words[kSyscallNumber]); }

constexpr uint8_t kZeroRegister = 31;

}  // namespace

std::span<const Regset> Regsets() { return kRegsets; }

std::optional<uint32_t> RegsetOfRequest(uint64_t) { return std::nullopt; }

// NT_ARM_SVE holds the registers of NT_PRFPREG too, with fpsr and fpcr, in whichever of two layouts
// its header says. (Writing NT_PRFPREG would zero what the longer registers hold beyond.)
uint32_t VectorRegset() {
  static const bool has_sve = (getauxval(AT_HWCAP) & HWCAP_SVE) != 0;
  return has_sve ? kNtArmSve : kNtPrfpreg;
}

// SVE_PT_SIZE of <asm/ptrace.h> at the longest vectors there can be (2,048 bits): a header of 16
// bytes, 32 Z registers, 16 predicates and FFR of an eighth of that, fpsr and fpcr, rounded up.
size_t MaxVectorBytes() { return 8768; }

uint64_t SyscallNumber(const Registers& regs) { return static_cast<uint64_t>(NumberAt(regs)); }

uint64_t Argument(const Registers& regs, int index) { return regs.words[kX0 + index]; }

void SetArgument(Registers& regs, int index, uint64_t value) { regs.words[kX0 + index] = value; }

int64_t ResultOf(const Registers& regs) { return static_cast<int64_t>(regs.words[kX0]); }

void SetResult(Registers& regs, int64_t value) { regs.words[kX0] = static_cast<uint64_t>(value); }

// The kernel has rewound an interrupted call before a signal's stop, so nothing is pending; the
// number keeps it from making a call of what it finds after an entry stop.
void ForgetSyscall(Registers& regs) { regs.words[kSyscallNumber] = kNoSyscall; }

void SuppressCall(Registers& regs) { regs.words[kSyscallNumber] = kNoSyscall; }

// svc clobbers nothing but the result, and pc is past it already.
void FinishCall(Registers& regs, int64_t result) {
  regs.words[kX0] = static_cast<uint64_t>(result);
  regs.words[kSyscallNumber] = kNoSyscall;
}

int64_t RolledBackResult(const Registers& entry) {
  return static_cast<int64_t>(Argument(entry, 0));
}

void SetCall(Registers& regs, uint64_t number, const uint64_t (&args)[6]) {
  regs.words[kX8] = number;
  regs.words[kSyscallNumber] = kNoSyscall;
  for (int i = 0; i < 6; ++i) SetArgument(regs, i, args[i]);
}

// x0 is the argument still, as long as nobody has set a result.
void RewindToCall(Registers& regs) {
  regs.words[kX8] = SyscallNumber(regs);
  regs.words[kPc] -= Aarch64Description().syscall_instruction.size();
  regs.words[kSyscallNumber] = kNoSyscall;
}

bool IsLegacyPageCall(const Registers&) { return false; }

uint64_t LegacyPage() { return 0; }

void FinishLegacyPageCall(Registers&, uint64_t, int64_t) {}

// struct rt_sigframe: siginfo, then a ucontext whose mcontext begins with the fault address and x0.
std::optional<HiddenRegister> HiddenAtSyscallStops() {
  constexpr uint64_t kSiginfo = 128;
  constexpr uint64_t kMcontext = 176;  // offsetof(ucontext, uc_mcontext)
  return HiddenRegister{kX7, kSiginfo + kMcontext + (1 + kX7) * sizeof(uint64_t)};
}

bool IsRestart(int64_t result) { return result <= kFirstRestart && result >= kLastRestart; }

bool IsReentryOf(const Registers& first, const Registers& entry) {
  int64_t number = NumberAt(entry);
  bool restarted = number == Aarch64Description().NumberOf(Sys::restart_syscall);
  if (number != NumberAt(first) && !restarted) return false;
  Registers a = Comparable(first);
  Registers b = Comparable(entry);
  for (Registers* regs : {&a, &b}) {
    regs->words[kSyscallNumber] = 0;
    // restart_syscall is asked for in x8 as well; otherwise x8 is as it was.
    if (restarted) regs->words[kX8] = 0;
  }
  return a == b;
}

Registers Comparable(const Registers& regs) {
  Registers out = regs;
  // A CPU that hasn't got the bit shows it or not as the kernel has last set it.
  static const bool has_ssbs = (getauxval(AT_HWCAP) & HWCAP_SSBS) != 0;
  out.words[kPstate] &= ~(kSingleStep | kBranchType | (has_ssbs ? 0 : kStoreBypassSafe));
  out.words[kSyscallNumber] = static_cast<uint32_t>(regs.words[kSyscallNumber]);
  if (NumberAt(regs) >= 0) out.words[kX7] = 0;
  return out;
}

// The procedure call standard has none.
uint64_t RedZone() { return 0; }

// arch/arm64/kernel/signal.c: struct rt_sigframe (4,688 bytes with the reserved part of sigcontext)
// and a frame record; then what overflows into an extra context: SVE at its longest vector (8,768
// bytes), ZA and ZT (65,616 bytes), and a few small records.
uint64_t MaxSignalFrame(size_t vector_bytes) { return vector_bytes + 0x14000; }

TrappedInstruction DecodeTrap(ByteSpan code) {
  uint32_t insn;
  if (code.size() < sizeof insn) return {};
  memcpy(&insn, code.data(), sizeof insn);
  insn = StandsFor(insn);
  if (!TrapFor(insn)) return {};
  return {.kind = TrapKind::kTimestamp,
          .length = sizeof insn,
          .target = static_cast<uint8_t>(insn & kTargetMask),
          .frequency = (insn & ~kTargetMask) == kMrsCntfrq};
}

// No cpuid here: its question and answer are never asked for, as DecodeTrap finds none.
std::pair<uint32_t, uint32_t> CpuidQuestion(const Registers&) { return {0, 0}; }
void AnswerCpuid(Registers&, const TrappedInstruction&, const CpuidResult&) {}
CpuidResult ReadCpuid(uint32_t, uint32_t) { return {}; }

void AnswerTimestamp(Registers& regs, const TrappedInstruction& insn, uint64_t value, uint32_t) {
  if (insn.target != kZeroRegister) regs.words[kX0 + insn.target] = value;
  regs.words[kPc] += insn.length;
}

ByteSpan BreakpointInstruction() { return kBrk; }

void SetInjectBatch(Registers& regs, uint64_t calls, uint64_t count) {
  regs.words[kX21] = calls;
  regs.words[kX20] = count;
}

uint64_t InjectResult(const Registers& regs) { return regs.words[kX19]; }

}  // namespace machine
}  // namespace retake
