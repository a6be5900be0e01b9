#include "snapshot/capture_task.h"

#include <linux/futex.h>

#include "arch/kept_regsets.h"
#include "base/syscall.h"
#include "snapshot/confinement.h"
#include "snapshot/restarted_call.h"
#include "snapshot/scheduling.h"
#include "tracee/proc_files.h"
#include "tracee/ptrace.h"

namespace retake {
namespace {

// Whether a call's time limit is a period, which begins anew where the kernel doesn't remember what
// was left of it, and no moment.
bool LimitRestarts(const StoppedCall& call, const Registers& stopped) {
  if (call.outcome != StopOutcome::kRestartsLimit) return false;
  if (HostArch().SysOf(call.number) != Sys::futex) return true;
  return (machine::Argument(stopped, 1) & FUTEX_CMD_MASK) != FUTEX_WAIT_BITSET;
}

Loss UnknownCall(pid_t tid) {
  return {.pid = tid,
          .kind = "call",
          .what =
              "it sleeps in a call with a time limit that had been stopped before, and which "
              "call that is can't be told: in a restored process it ends at once with EINTR"};
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

Result<TaskState> CaptureTask(pid_t pid, const FrozenTask& task, const ProcStatus& status,
                              const TaskMemory& memory, Losses& losses) {
  TaskState out;
  out.tid = task.tid;
  ProcStat stat = TRY(ProcStat::ReadTask(pid, task.tid));
  out.name = stat.name();
  StoppedCall call = task.call;
  if (call.number >= 0 && HostArch().SysOf(call.number) == Sys::restart_syscall) {
    if (auto number = RestartedCall(memory, task.registers, call)) {
      call.number = *number;
    } else {
      losses.push_back(UnknownCall(task.tid));
    }
  }
  out.registers = machine::Resumable(task.registers, call, /*same_kernel_task=*/false);
  out.call = call.number;
  out.limit_restarts = LimitRestarts(call, task.registers);
  out.signal_mask = task.signal_mask;
  TRY(ptracer::GetVector(task.tid, out.vector_state));
  for (const KeptRegset& regset : machine::KeptRegsets()) {
    auto bytes = TRY(ptracer::GetRegset(task.tid, regset.type, regset.most));
    if (!bytes.empty()) out.regsets.push_back({regset.type, std::move(bytes)});
  }
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
  // What we are under ourselves, a restored one will be too; what can't be kept is named
  // (snapshot/confinement.h).
  if (SeccompOf(status) != OwnSeccomp()) {
    if (auto confinement = ReadSeccomp(task.tid, status); confinement.ok())
      out.seccomp = confinement.TakeValue();
  }
  return out;
}

}  // namespace retake
