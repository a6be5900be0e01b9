// What a stop does to the call that a task is in, on aarch64. Before a stop in which signals are
// looked at (PTRACE_INTERRUPT's among them) the kernel has rewound a call that is to be made again:
// pc is at the svc, x0 is the argument, the number is gone, and so is the error that told in which
// way it will be made again (arch/arm64/kernel/signal.c, do_signal). A call that has ended early
// has its error in x0, where its argument was. So what a task slept in is asked for before.
#include <cerrno>
#include <cstring>
#include <string_view>

#include "arch/aarch64/layout.h"
#include "arch/arch.h"

namespace retake::machine {
namespace {

using namespace aarch64;

constexpr size_t kInstruction = 4;

// linux/time.h, linux/futex.h.
constexpr uint64_t kAbsoluteTime = 1;
constexpr uint64_t kFutexFlags = 128 | 256;
constexpr uint64_t kFutexWait = 0;
constexpr uint64_t kFutexWaitBitset = 9;

Sys SysOf(int64_t number) { return Aarch64Description().SysOf(static_cast<int>(number)); }

uint64_t RestartNumber() {
  return static_cast<uint64_t>(Aarch64Description().NumberOf(Sys::restart_syscall));
}

// The calls whose remaining time the kernel remembers (ERESTART_RESTARTBLOCK). poll isn't a call
// here.
bool RemembersLimit(int64_t number, const Registers& stopped) {
  switch (SysOf(number)) {
    case Sys::nanosleep:
    case Sys::restart_syscall:
      return true;
    case Sys::clock_nanosleep:
      return (Argument(stopped, 1) & kAbsoluteTime) == 0;
    case Sys::futex: {
      uint64_t operation = static_cast<uint32_t>(Argument(stopped, 1)) & ~kFutexFlags;
      return (operation == kFutexWait || operation == kFutexWaitBitset) &&
             Argument(stopped, 3) != 0;
    }
    default:
      return false;
  }
}

// Whether the registers but pc and x0 are those that the call was made with.
bool SleptWith(const Registers& stopped, const SleepingCall& call) {
  if (call.number < 0 || stopped.words[kSp] != call.stack) return false;
  if (static_cast<int64_t>(stopped.words[kX8]) != call.number) return false;
  for (int i = 1; i < 6; ++i) {
    if (Argument(stopped, i) != call.args[i]) return false;
  }
  return true;
}

bool IsCall(ByteSpan code) {
  std::string_view call = Aarch64Description().syscall_instruction;
  return code.size() >= call.size() && memcmp(code.data(), call.data(), call.size()) == 0;
}

bool LeavesStraightLine(uint32_t insn) {
  bool branch = (insn & 0xfc00'0000) == 0x1400'0000;       // b
  bool to_register = (insn & 0xfe00'0000) == 0xd600'0000;  // br, blr, ret, eret
  bool call = (insn & 0xfc00'0000) == 0x9400'0000;         // bl
  bool exception = (insn & 0xff00'0000) == 0xd400'0000;    // svc, brk
  return branch || to_register || call || exception;
}

}  // namespace

bool StopsHideCalls() { return true; }

StoppedCall CallAtStop(const Registers& stopped, const SleepingCall* sleeping, ByteSpan code) {
  uint64_t pc = stopped.words[kPc];
  if (sleeping != nullptr && SleptWith(stopped, *sleeping)) {
    if (pc + kInstruction == sleeping->pc && stopped.words[kX0] == sleeping->args[0]) {
      bool remembers = RemembersLimit(sleeping->number, stopped);
      return {sleeping->number, remembers ? StopOutcome::kRestartsLimit : StopOutcome::kAhead};
    }
    if (pc == sleeping->pc && ResultOf(stopped) == -EINTR)
      return {sleeping->number, StopOutcome::kEnded};
  }
  // Whether it had begun this call isn't known. Made from its beginning it is right either way.
  if (!IsCall(code)) return {};
  auto number = static_cast<int64_t>(stopped.words[kX8]);
  bool restart = stopped.words[kX8] == RestartNumber();
  return {number, restart ? StopOutcome::kRestartsLimit : StopOutcome::kAhead};
}

Registers Resumable(const Registers& stopped, const StoppedCall& call, bool same_kernel_task) {
  Registers out = stopped;
  if (call.outcome == StopOutcome::kRestartsLimit)
    out.words[kX8] = same_kernel_task ? RestartNumber() : static_cast<uint64_t>(call.number);
  ForgetSyscall(out);
  return out;
}

void RewindEndedCall(Registers& stopped, const StoppedCall& call, const SleepingCall* sleeping) {
  stopped.words[kPc] -= kInstruction;
  stopped.words[kX0] = sleeping->args[0];
  stopped.words[kX8] = static_cast<uint64_t>(call.number);
  ForgetSyscall(stopped);
}

std::optional<int64_t> LoadedCall(ByteSpan code) {
  // movz x8, #imm or movz w8, #imm.
  constexpr uint32_t kSizeBit = 0x8000'0000;
  constexpr uint32_t kImmediate = 0xffff << 5;
  constexpr uint32_t kLoad = 0x5280'0008;
  for (size_t at = code.size() / kInstruction * kInstruction; at >= kInstruction;) {
    at -= kInstruction;
    uint32_t insn;
    memcpy(&insn, code.data() + at, sizeof insn);
    if ((insn & ~(kSizeBit | kImmediate)) == kLoad) return (insn & kImmediate) >> 5;
    // Whatever else may write x8.
    if ((insn & 0x1f) == kX8 || LeavesStraightLine(insn)) return std::nullopt;
  }
  return std::nullopt;
}

}  // namespace retake::machine
