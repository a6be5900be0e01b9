// The machine half of x86_64: register accessors, restart rules, trapping instructions,
// breakpoints. Pure functions; arch/x86_64/layout.h says what shapes them.
#include <algorithm>
#include <cerrno>

#include "arch/arch.h"
#include "arch/x86_64/layout.h"
#include "arch/x86_64/trap_opcode.h"

namespace retake {

namespace machine {
namespace {

using namespace x86_64;

// <linux/elf.h>
constexpr uint32_t kNtPrstatus = 1;
constexpr uint32_t kNtPrfpreg = 2;
constexpr uint32_t kNtX86Xstate = 0x202;

constexpr Regset kRegsets[] = {{kNtPrstatus, 0, kWords * sizeof(uint64_t), false}};

// Flag bits that belong to a debugger or to the way a task was stopped: single step, resume.
constexpr uint64_t kTrapFlag = 1 << 8;
constexpr uint64_t kResumeFlag = 1 << 16;

constexpr uint64_t kNoSyscall = ~uint64_t{0};
constexpr uint64_t kEntryResult = static_cast<uint64_t>(int64_t{-ENOSYS});

// Kernel-internal errors, include/linux/errno.h: ERESTARTSYS .. ERESTART_RESTARTBLOCK.
constexpr int64_t kFirstRestart = -512;
constexpr int64_t kLastRestart = -516;

constexpr uint8_t kInt3[] = {0xcc};

// The kernel takes the number from the lower half of rax only (do_syscall_64, seccomp).
int64_t NumberAt(const Registers& regs) { return static_cast<int32_t>(regs.words[kOrigRax]); }

// At an entry stop the number is set and the result is the -ENOSYS that the kernel's entry code
// puts there before anything can stop the task.
bool AtEntry(const Registers& regs) {
  return NumberAt(regs) >= 0 && regs.words[kRax] == kEntryResult;
}

// Prefixes are legal before rdtsc, rdtscp and cpuid and change nothing (lock is not among them: it
// makes them invalid).
bool IsPrefix(uint8_t byte) {
  switch (byte) {
    case 0x26:
    case 0x2e:
    case 0x36:
    case 0x3e:
    case 0x64:
    case 0x65:
    case 0x66:
    case 0x67:
    case 0xf2:
    case 0xf3:
      return true;
    default:
      return false;
  }
}

// Writing the 32-bit half of a register clears the upper half.
void Set32(Registers& regs, Word word, uint64_t value) {
  regs.words[word] = static_cast<uint32_t>(value);
}

}  // namespace

std::span<const Regset> Regsets() { return kRegsets; }

std::optional<uint32_t> RegsetOfRequest(uint64_t request) {
  // <asm/ptrace-abi.h>: PTRACE_GETREGS, PTRACE_GETFPREGS.
  if (request == 12) return kNtPrstatus;
  if (request == 14) return kNtPrfpreg;
  return std::nullopt;
}

uint32_t VectorRegset() { return kNtX86Xstate; }

// 11,008 bytes with AMX, the largest component there is; a page more for what comes.
size_t MaxVectorBytes() { return 16 * 1024; }

uint64_t SyscallNumber(const Registers& regs) { return static_cast<uint64_t>(NumberAt(regs)); }

uint64_t Argument(const Registers& regs, int index) {
  return regs.words[X86_64Description().args[index]];
}

void SetArgument(Registers& regs, int index, uint64_t value) {
  regs.words[X86_64Description().args[index]] = value;
}

int64_t ResultOf(const Registers& regs) { return static_cast<int64_t>(regs.words[kRax]); }

void SetResult(Registers& regs, int64_t value) { regs.words[kRax] = static_cast<uint64_t>(value); }

void ForgetSyscall(Registers& regs) { regs.words[kOrigRax] = kNoSyscall; }

void SuppressCall(Registers& regs) { regs.words[kOrigRax] = kNoSyscall; }

void FinishCall(Registers& regs, int64_t result) {
  regs.words[kRax] = static_cast<uint64_t>(result);
  // rip is past the instruction already.
  regs.words[kRcx] = regs.words[kRip];
  regs.words[kR11] = regs.words[kEflags];
  regs.words[kOrigRax] = kNoSyscall;
}

int64_t RolledBackResult(const Registers& entry) {
  return static_cast<int64_t>(SyscallNumber(entry));
}

void SetCall(Registers& regs, uint64_t number, const uint64_t (&args)[6]) {
  regs.words[kRax] = number;
  regs.words[kOrigRax] = kNoSyscall;
  for (int i = 0; i < 6; ++i) SetArgument(regs, i, args[i]);
}

void RewindToCall(Registers& regs) {
  regs.words[kRax] = regs.words[kOrigRax];
  regs.words[kRip] -= X86_64Description().syscall_instruction.size();
  regs.words[kOrigRax] = kNoSyscall;
}

// arch/x86/entry/vsyscall: three entries 1024 bytes apart, emulated on the fault that jumping there
// raises.
bool IsLegacyPageCall(const Registers& regs) {
  return regs.words[kRip] >> 12 == LegacyPage() >> 12;
}

uint64_t LegacyPage() { return 0xffff'ffff'ff60'0000; }

void FinishLegacyPageCall(Registers& regs, uint64_t return_address, int64_t result) {
  regs.words[kRax] = static_cast<uint64_t>(result);
  regs.words[kOrigRax] = kNoSyscall;
  regs.words[kRip] = return_address;
  regs.words[kRsp] += 8;
}

std::optional<HiddenRegister> HiddenAtSyscallStops() { return std::nullopt; }

bool IsRestart(int64_t result) { return result <= kFirstRestart && result >= kLastRestart; }

bool IsReentryOf(const Registers& first, const Registers& entry) {
  int64_t number = NumberAt(entry);
  int restart = X86_64Description().NumberOf(Sys::restart_syscall);
  if (number != NumberAt(first) && number != restart) return false;
  Registers a = Comparable(first);
  Registers b = Comparable(entry);
  for (Registers* regs : {&a, &b}) {
    regs->words[kRax] = 0;
    regs->words[kOrigRax] = 0;
  }
  return a == b;
}

Registers Comparable(const Registers& regs) {
  Registers out = regs;
  // Selectors: constants of the kernel's for 64-bit code, whatever loads them; what they select is
  // in the bases.
  for (Word word : {kCs, kSs, kDs, kEs, kFs, kGs}) out.words[word] = 0;
  out.words[kEflags] &= ~(kTrapFlag | kResumeFlag);
  // The same point is "in a call" in one run and not in the other where the call is suppressed; at
  // its entry it is the same in both.
  if (!AtEntry(regs)) out.words[kOrigRax] = kNoSyscall;
  return out;
}

uint64_t RedZone() { return 128; }

// arch/x86/kernel/signal.c, get_sigframe: red zone, vector state aligned to 64 with a 4-byte magic
// behind it, struct rt_sigframe (440 bytes with siginfo), alignment to 16.
uint64_t MaxSignalFrame(size_t vector_bytes) { return RedZone() + vector_bytes + 1024; }

TrappedInstruction DecodeTrap(ByteSpan code) {
  size_t at = 0;
  while (at < code.size() && IsPrefix(code[at])) ++at;
  if (at < code.size() && (code[at] & 0xf0) == 0x40) ++at;  // REX comes last
  if (at >= code.size() || (code[at] != kEscape && code[at] != kTrapEscape)) return {};
  ++at;
  // No instruction is longer than 15 bytes.
  auto byte = [&](size_t i) {
    return i < std::min<size_t>(code.size(), 15) ? code[i] : uint8_t{0};
  };
  TrapKind kind = TrapKindOf(byte(at), byte(at + 1));
  if (kind == TrapKind::kNone) return {};
  size_t size = kind == TrapKind::kTimestampAndCpu ? 2 : 1;
  return {.kind = kind, .length = static_cast<uint8_t>(at + size)};
}

std::pair<uint32_t, uint32_t> CpuidQuestion(const Registers& regs) {
  return {static_cast<uint32_t>(regs.words[kRax]), static_cast<uint32_t>(regs.words[kRcx])};
}

void AnswerTimestamp(Registers& regs, const TrappedInstruction& insn, uint64_t value,
                     uint32_t cpu) {
  Set32(regs, kRax, value);
  Set32(regs, kRdx, value >> 32);
  if (insn.kind == TrapKind::kTimestampAndCpu) Set32(regs, kRcx, cpu);
  regs.words[kRip] += insn.length;
}

void AnswerCpuid(Registers& regs, const TrappedInstruction& insn, const CpuidResult& value) {
  Set32(regs, kRax, value.eax);
  Set32(regs, kRbx, value.ebx);
  Set32(regs, kRcx, value.ecx);
  Set32(regs, kRdx, value.edx);
  regs.words[kRip] += insn.length;
}

ByteSpan BreakpointInstruction() { return kInt3; }

void SetInjectBatch(Registers& regs, uint64_t calls, uint64_t count) {
  regs.words[kRbx] = calls;
  regs.words[kR12] = count;
}

uint64_t InjectResult(const Registers& regs) { return regs.words[kR15]; }

}  // namespace machine
}  // namespace retake
