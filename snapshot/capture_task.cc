#include "snapshot/capture_task.h"

#include <linux/prctl.h>
#include <unistd.h>

#include "base/syscall.h"
#include "snapshot/scheduling.h"
#include "tracee/proc_files.h"
#include "tracee/ptrace.h"

namespace retake {
namespace {

// Calls that have a time limit which the kernel keeps, when it interrupts them, where no other task
// can see it.
bool LimitRestarts(const Registers& stopped) {
  if (!machine::IsRestart(machine::ResultOf(stopped))) return false;
  int64_t number = machine::InterruptedCall(stopped);
  switch (HostArch().SysOf(number)) {
    case Sys::nanosleep:
    case Sys::poll:
    case Sys::futex:
    case Sys::clock_nanosleep:
      break;
    default:
      return false;
  }
  // Absolute ones are made again as they were; only what the kernel has to remember restarts.
  Registers again = machine::Resumable(stopped, /*same_kernel_task=*/true);
  Registers anew = machine::Resumable(stopped, /*same_kernel_task=*/false);
  return !(again == anew);
}

}  // namespace

PendingSignal KeptSignal(const siginfo_t& info) {
  const auto* bytes = reinterpret_cast<const uint8_t*>(&info);
  return {{bytes, bytes + sizeof info}};
}

Result<TaskState> CaptureTask(pid_t pid, const FrozenTask& task) {
  TaskState out;
  out.tid = task.tid;
  ProcStat stat = TRY(ProcStat::ReadTask(pid, task.tid));
  out.name = stat.name();
  out.registers = machine::Resumable(task.registers, /*same_kernel_task=*/false);
  out.call = machine::InterruptedCall(task.registers);
  out.limit_restarts = LimitRestarts(task.registers);
  out.signal_mask = task.signal_mask;
  TRY(ptracer::GetVector(task.tid, out.vector_state));
  for (const siginfo_t& info : TRY(ptracer::PeekPending(task.tid, /*shared=*/false)))
    out.pending.push_back(KeptSignal(info));
  auto rseq = TRY(ptracer::GetRseq(task.tid));
  out.rseq = {rseq.address, rseq.size, rseq.signature, rseq.flags};
  uint64_t list = 0;
  uint64_t size = 0;
  if (GetRobustList(task.tid, &list, &size) == 0) {
    out.robust_list = list;
    out.robust_list_size = size;
  }
  out.scheduling = TRY(ReadScheduling(task.tid));
  return out;
}

Status AskTask(Injection& injection, const TaskMemory& memory, TaskState& out) {
  stack_t stack{};
  uint64_t result = TRY(injection.Call(MakeCall(Sys::sigaltstack, 0, injection.scratch())));
  if (result != 0 || !memory.Read(injection.scratch(), &stack, sizeof stack))
    return Error(0, "it can't say where its alternate signal stack is", out.tid);
  out.alternate_stack = {reinterpret_cast<uint64_t>(stack.ss_sp), stack.ss_flags, stack.ss_size};
  result = TRY(injection.Call(MakeCall(Sys::prctl, PR_GET_TID_ADDRESS, injection.scratch())));
  if (result != 0 || !memory.Read(injection.scratch(), &out.clear_tid, sizeof out.clear_tid)) {
    return Error(static_cast<int>(-result),
                 "it can't say which word is cleared at its end (a kernel without "
                 "CONFIG_CHECKPOINT_RESTORE)",
                 out.tid);
  }
  result = TRY(injection.Call(MakeCall(Sys::prctl, PR_GET_PDEATHSIG, injection.scratch())));
  if (result != 0 || !memory.Read(injection.scratch(), &out.parent_death_signal, sizeof(int32_t)))
    return Error(0, "it can't say what signal its parent's end sends it", out.tid);
  return {};
}

}  // namespace retake
