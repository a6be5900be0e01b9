// Signals and trapped instructions: the part of the event loop that decides when a signal may reach
// the program.
//
// A handler is entered at event boundaries only: right after an event, with the registers that the
// event left, or at the entry of the next call. A replay finds both points without counting
// instructions. A signal that finds its task in the middle of computing is taken from the kernel
// and held until then; to deliver it, it is sent again, and its siginfo put back when it arrives.
#include <unistd.h>

#include <algorithm>
#include <array>
#include <utility>

#include "arch/code.h"
#include "base/clock.h"
#include "base/syscall.h"
#include "supervisor/exec_setup.h"
#include "supervisor/own_traps.h"
#include "supervisor/supervisor.h"
#include "tracee/proc_files.h"
#include "tracee/remote_calls.h"

namespace retake {
namespace {

// Before glibc takes some for itself (signal(7)).
constexpr int kFirstRealTime = 32;

// Raised by the task's own instruction, not sent by anyone: kernel codes are positive (siginfo's
// SI_USER is 0), and SI_KERNEL is for faults too.
bool IsSynchronous(int signal, const siginfo_t& info) {
  switch (signal) {
    case SIGSEGV:
    case SIGBUS:
    case SIGFPE:
    case SIGILL:
    case SIGTRAP:
      return info.si_code > 0;
    default:
      return false;
  }
}

constexpr int kEpollTimeout = 3;  // the argument; ms, negative: none

// Whether a call that the kernel doesn't restart by itself can be made again for the rest of its
// time: it waits without limit, or for a time that is an argument.
bool CanWaitAgain(const Task& task) {
  auto arg = [&](int index) { return machine::Argument(task.entry, index); };
  switch (task.sys) {
    case Sys::epoll_wait:
    case Sys::epoll_pwait:
      return true;
    case Sys::epoll_pwait2:
    case Sys::semtimedop:
      return arg(3) == 0;
    case Sys::rt_sigtimedwait:
      return arg(2) == 0;
    case Sys::semop:
      return true;
    case Sys::io_getevents:
      return arg(4) == 0;
    default:
      return false;
  }
}

}  // namespace

Supervisor::PendingSignals Supervisor::PendingOf(const Task& task) {
  PendingSignals found;
  Result<ProcStatus> status = ProcStatus::ReadTask(task.leader, task.pid);
  if (!status.ok()) return found;
  uint64_t pending =
      (status->Number("SigPnd", 16) | status->Number("ShdPnd", 16)) & ~status->Number("SigBlk", 16);
  for (int signal = 1; signal <= SignalActions::kSignals; ++signal) {
    if ((pending >> (signal - 1) & 1) == 0) continue;
    bool ignored = task.signals->FateOf(signal) == SignalFate::kIgnored;
    (ignored ? found.ignored : found.others) = true;
  }
  return found;
}

bool Supervisor::InterruptedByIgnored(const Task& task) {
  if (!CanWaitAgain(task)) return false;
  PendingSignals pending = PendingOf(task);
  return pending.ignored && !pending.others;
}

void Supervisor::ShortenTimeout(Task& task, Registers& exit) {
  if (!HasEpollTimeout(task.sys)) return;
  auto timeout = static_cast<int32_t>(machine::Argument(task.made, kEpollTimeout));
  if (timeout < 0) return;
  int64_t now = MonotonicMilliseconds();
  int64_t left = std::max<int64_t>(0, timeout - (now - std::exchange(task.call_began, now)));
  machine::SetArgument(task.made, kEpollTimeout, static_cast<uint64_t>(left));
  machine::SetArgument(exit, kEpollTimeout, static_cast<uint64_t>(left));
}

Status Supervisor::HandleSignal(Task& task, int signal) {
  siginfo_t info;
  TRY(ptracer::GetSiginfo(task.pid, info));
  Registers registers;
  TRY(ptracer::GetRegisters(task.pid, registers));

  bool synchronous = IsSynchronous(signal, info);
  // SIGILL is of one that was planted (tracee/planted_traps.h).
  if (synchronous && (signal == SIGSEGV || signal == SIGILL)) {
    std::array<uint8_t, 16> code;
    size_t size = task.process->memory.ReadSome(Pc(registers), code.data(), code.size());
    TrappedInstruction insn = machine::DecodeTrap(ByteSpan(code).first(size));
    if (insn.kind != TrapKind::kNone) return HandleTrap(task, signal, registers, insn);
    if (TRY(LetExecute(task, info, registers, true))) {
      TRY(UndoForcedSignal(task, signal, registers));
      TRY(ptracer::SetRegisters(task.pid, registers));
      task.last = registers;
      Preemption run = TRY(sink_.FinishFirstRun(task, registers));
      if (run.kind == Preemption::Kind::kStopped) return Handle(task, run.status);
      // Between events it keeps its turn, and signals wait.
      bool between = run.kind == Preemption::Kind::kNotNow && run.registers != registers;
      return between ? Continue(task.pid) : GoOnAfterTrap(task, run.registers);
    }
  }

  if (task.requeued && info.si_code == SI_TKILL && info.si_pid == getpid()) {
    auto original = std::find_if(task.held.begin(), task.held.end(),
                                 [&](const siginfo_t& held) { return held.si_signo == signal; });
    if (original != task.held.end()) {
      TRY(ptracer::SetSiginfo(task.pid, *original));
      task.held.erase(original);
      if (task.held.empty()) {
        task.requeued = false;
        --held_tasks_;
        SetTicking();
      }
    }
  }

  switch (task.signals->FateOf(signal)) {
    case SignalFate::kIgnored:
    case SignalFate::kStops:
    case SignalFate::kContinues:
    case SignalFate::kEndsProcess:
      return GoOn(task, signal);
    case SignalFate::kHandled:
      break;
  }
  if (synchronous) return DeliverToHandler(task, signal, true, registers);
  bool at_boundary = task.phase == Task::Phase::kInterrupted ||
                     machine::Comparable(registers) == machine::Comparable(task.last);
  if (at_boundary) return DeliverToHandler(task, signal, false, registers);
  // It computes: the signal waits for the next event.
  Hold(task, info);
  return GoOn(task);
}

void Supervisor::Hold(Task& task, const siginfo_t& info) {
  if (task.held.empty()) {
    task.held_since = MonotonicMilliseconds();
    task.requeued = false;
    ++held_tasks_;
    SetTicking();
  }
  // A signal that is pending already isn't a second time, but for real-time ones.
  bool pending = std::any_of(task.held.begin(), task.held.end(),
                             [&](const siginfo_t& held) { return held.si_signo == info.si_signo; });
  if (!pending || info.si_signo >= kFirstRealTime) task.held.push_back(info);
}

Status Supervisor::CheckHeldSignals() {
  int64_t now = MonotonicMilliseconds();
  std::vector<pid_t> late;
  for (auto& [pid, task] : tasks_) {
    if (task->held.empty() || task->requeued || task->phase != Task::Phase::kUser) continue;
    if (task->wants != Task::Wants::kNothing) continue;  // it is stopped, and waits for its turn
    if (now - task->held_since >= options_.hold_bound_ms && now >= task->preempt_after)
      late.push_back(pid);
  }
  for (pid_t pid : late) {
    if (Task* task = Find(pid); task != nullptr) TRY(Preempt(*task, 0));
  }
  return {};
}

void Supervisor::Requeue(Task& task) {
  task.requeued = true;
  for (const siginfo_t& held : task.held) Tgkill(task.leader, task.pid, held.si_signo);
}

Status Supervisor::DeliverToHandler(Task& task, int signal, bool synchronous,
                                    const Registers& before) {
  if (task.phase == Task::Phase::kInterrupted) {
    // A handler runs before the call is made again (or gives EINTR): the call ends here, as an
    // event.
    Registers exit = task.last;
    RestoreArguments(task, exit);
    TRY(sink_.OnCallExit(task, exit));
    if (Pc(before) != Pc(task.last)) {
      // The kernel has rewound the call already: all arguments are to be seen, the first too.
      exit = before;
      for (int i = 0; i < 6; ++i) {
        if (machine::Argument(task.made, i) != machine::Argument(task.entry, i))
          machine::SetArgument(exit, i, machine::Argument(task.entry, i));
      }
    }
    if (exit != before) TRY(ptracer::SetRegisters(task.pid, exit));
    task.phase = Task::Phase::kUser;
  }
  SignalAction& action = (*task.signals)[signal];
  // A single step with the signal makes the kernel push the frame and stop before the handler's
  // first instruction.
  TRY(ptracer::Resume(task.pid, ResumeKind::kStep, signal));
  auto waited = TRY(ptracer::WaitOne(task.pid, -1));
  WaitStatus status = *waited;
  Registers after;
  if (status.kind() == StopKind::kSignal && status.signal() == SIGTRAP) {
    TRY(ptracer::GetRegisters(task.pid, after));
    if (Pc(after) == action.handler) {
      if ((action.flags & SA_RESETHAND) != 0) action = SignalAction{};
      task.signal_mask = TRY(ptracer::GetSigmask(task.pid));
      TRY(sink_.OnSignal(task, SignalArrival{signal, synchronous, before, after}));
      task.last = after;
      return RunUser(task);
    }
  }
  if (status.kind() == StopKind::kSignal && status.signal() == SIGSEGV) {
    // The frame could not be pushed (no stack left): the kernel forces SIGSEGV, with no handler.
    action = SignalAction{};
    return GoOn(task, SIGSEGV);
  }
  return Handle(task, status);
}

Registers Supervisor::AnswerTrap(const Registers& before, const TrappedInstruction& insn) const {
  Registers after = before;
  switch (insn.kind) {
    case TrapKind::kTimestamp:
    case TrapKind::kTimestampAndCpu: {
      unsigned cpu = 0;
      if (insn.kind == TrapKind::kTimestampAndCpu)
        cpu = static_cast<unsigned>(std::max(0, CurrentCpu()));
      machine::AnswerTimestamp(after, insn, HostTimestamp(insn), cpu);
      break;
    }
    case TrapKind::kCpuid: {
      auto [leaf, subleaf] = machine::CpuidQuestion(before);
      CpuidResult value = HostCpuid(leaf, subleaf);
      machine::AnswerCpuid(after, insn,
                           machine::MaskCpuid(leaf, subleaf, value, options_.portable));
      break;
    }
    case TrapKind::kNone:
      break;
  }
  return after;
}

bool Supervisor::AnswerTrapSilently(Task& task) {
  Registers registers;
  std::array<uint8_t, 16> code;
  if (task.process == nullptr || !ptracer::GetRegisters(task.pid, registers).ok()) return false;
  size_t size = task.process->memory.ReadSome(Pc(registers), code.data(), code.size());
  TrappedInstruction insn = machine::DecodeTrap(ByteSpan(code).first(size));
  if (insn.kind != TrapKind::kNone)
    return ptracer::SetRegisters(task.pid, AnswerTrap(registers, insn)).ok();
  siginfo_t info;
  if (!ptracer::GetSiginfo(task.pid, info).ok()) return false;
  auto executes = LetExecute(task, info, registers, false);
  return executes.ok() && *executes && ptracer::SetRegisters(task.pid, registers).ok();
}

Status Supervisor::HandleTrap(Task& task, int signal, const Registers& before,
                              const TrappedInstruction& insn) {
  Registers after = AnswerTrap(before, insn);
  TRY(UndoForcedSignal(task, signal, after));
  TRY(ptracer::SetRegisters(task.pid, after));
  TRY(sink_.OnTrap(task, insn.kind, before, after));
  return GoOnAfterTrap(task, after);
}

Status Supervisor::GoOnAfterTrap(Task& task, const Registers& registers) {
  task.last = registers;
  if (!task.held.empty() && !task.requeued) Requeue(task);
  return RunUser(task);
}

Result<bool> Supervisor::LetExecute(Task& task, const siginfo_t& info, const Registers& registers,
                                    bool logs) {
  auto address = reinterpret_cast<uint64_t>(info.si_addr);
  // An instruction may begin on the page before.
  bool fetches = info.si_signo == SIGSEGV && info.si_code == SEGV_ACCERR &&
                 address - Pc(registers) < machine::kMaxInstruction;
  return fetches && TRY(sink_.OnFirstRun(task, registers, address, logs));
}

Status Supervisor::UndoForcedSignal(Task& task, int signal, const Registers& registers) {
  // kernel/signal.c, force_sig_info_to_task: a blocked or ignored signal loses its action, and is
  // unblocked.
  bool was_blocked = (task.signal_mask >> (signal - 1) & 1) != 0;
  SignalAction action = (*task.signals)[signal];
  bool was_ignored = action.handler == reinterpret_cast<uint64_t>(SIG_IGN);
  if (was_blocked) TRY(ptracer::SetSigmask(task.pid, task.signal_mask));
  bool had_action = action.handler != reinterpret_cast<uint64_t>(SIG_DFL);
  if (!was_ignored && !(was_blocked && had_action)) return {};
  SignalsHeld guard = TRY(SignalsHeld::Hold(task.pid));
  return RestoreSignalAction(task.pid, task.process->memory, registers, signal, action);
}

}  // namespace retake
