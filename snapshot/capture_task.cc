#include "snapshot/capture_task.h"

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

std::vector<uint32_t> Narrow(const std::vector<uint64_t>& wide) {
  std::vector<uint32_t> out;
  out.reserve(wide.size());
  for (uint64_t value : wide) out.push_back(static_cast<uint32_t>(value));
  return out;
}

}  // namespace

Credentials ReadCredentials(const ProcStatus& status) {
  Credentials credentials;
  credentials.uids = Narrow(status.Numbers("Uid"));
  credentials.gids = Narrow(status.Numbers("Gid"));
  credentials.groups = Narrow(status.Numbers("Groups"));
  credentials.inheritable = status.Number("CapInh", 16);
  credentials.permitted = status.Number("CapPrm", 16);
  credentials.effective = status.Number("CapEff", 16);
  credentials.bounding = status.Number("CapBnd", 16);
  credentials.ambient = status.Number("CapAmb", 16);
  credentials.no_new_privileges = status.Number("NoNewPrivs") != 0;
  return credentials;
}

PendingSignal KeptSignal(const siginfo_t& info) {
  const auto* bytes = reinterpret_cast<const uint8_t*>(&info);
  return {{bytes, bytes + sizeof info}};
}

Result<TaskState> CaptureTask(pid_t pid, const FrozenTask& task, const ProcStatus& status) {
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
  out.credentials = ReadCredentials(status);
  return out;
}

}  // namespace retake
