// What a program's own seccomp filters (program_filter.h) make of its tasks.
#include <signal.h>

#include <algorithm>

#include "base/syscall.h"
#include "supervisor/exec_setup.h"
#include "supervisor/supervisor.h"
#include "tracee/remote_calls.h"

namespace retake {
namespace {

constexpr size_t kMostCost = 32'768;     // MAX_INSNS_PER_PATH (kernel/seccomp.c)
constexpr size_t kCostOfEachFilter = 4;  // likewise

// SYS_SECCOMP of siginfo's si_code for SIGSYS (<asm-generic/siginfo.h>).
constexpr int kSysSeccomp = 1;

}  // namespace

pid_t Supervisor::Confine(Task& task, ProgramFilter filter, bool all_threads) {
  std::vector<Task*> threads;
  for (auto& [pid, other] : tasks_) {
    if (!all_threads || other.get() == &task || other->leader != task.leader) continue;
    bool in_line = task.confinement == nullptr
                       ? other->confinement == nullptr
                       : task.confinement->IsOrDescendsFrom(other->confinement.get());
    if (!in_line) return pid;
    threads.push_back(other.get());
  }
  auto confinement = std::make_shared<Confinement>();
  confinement->cost = filter.size() + kCostOfEachFilter;
  if (task.confinement != nullptr) confinement->cost += task.confinement->cost;
  if (confinement->cost > kMostCost + kCostOfEachFilter) return -ENOMEM;
  confinement->filter = std::move(filter);
  confinement->older = task.confinement;
  task.confinement = std::move(confinement);
  for (Task* thread : threads) {
    thread->confinement = task.confinement;
    thread->no_new_privs = thread->no_new_privs || task.no_new_privs;
  }
  return 0;
}

Status Supervisor::Trap(Task& task, int data) {
  siginfo_t info{};
  info.si_signo = SIGSYS;
  info.si_errno = data;
  info.si_code = kSysSeccomp;
  info.si_call_addr = reinterpret_cast<void*>(Pc(task.entry));
  info.si_syscall = static_cast<int>(machine::SyscallNumber(task.entry));
  info.si_arch = HostArch().audit_arch;
  Hold(task, info);
  Requeue(task);
  return {};
}

Status Supervisor::EndBySignal(Task& task, const CallVerdict& verdict) {
  Registers registers = task.entry;
  machine::SuppressCall(registers);
  machine::FinishCall(registers, verdict.result);
  bool alone = std::none_of(tasks_.begin(), tasks_.end(), [&](const auto& entry) {
    return entry.second.get() != &task && entry.second->leader == task.leader &&
           !entry.second->is_zombie;
  });
  if (!verdict.whole && !alone) {
    // The thread ends by itself, its process goes on.
    uint64_t args[6] = {static_cast<uint64_t>(verdict.data)};
    machine::ForgetSyscall(registers);
    machine::SetCall(registers, static_cast<uint64_t>(HostArch().NumberOf(Sys::exit)), args);
    SetPc(registers, kStubAddress + machine::Stub().syscall_entry);
    TRY(ptracer::SetRegisters(task.pid, registers));
    task.phase = Task::Phase::kExiting;
    return ptracer::Resume(task.pid, ResumeKind::kContinue);
  }
  DropWaiting(task);
  if (verdict.data == SIGKILL) {
    TRY(ptracer::SetRegisters(task.pid, registers));
    task.phase = Task::Phase::kExiting;
    kill(task.pid, SIGKILL);
    return {};
  }
  // The kernel would force the signal: nothing that the program has set keeps it off.
  {
    SignalsHeld guard = TRY(SignalsHeld::Hold(task.pid));
    TRY(RestoreSignalAction(task.pid, task.process->memory, task.entry, verdict.data,
                            SignalAction{}));
  }
  (*task.signals)[verdict.data] = SignalAction{};
  task.signal_mask &= ~(uint64_t{1} << (verdict.data - 1));
  TRY(ptracer::SetSigmask(task.pid, task.signal_mask));
  machine::ForgetSyscall(registers);
  TRY(ptracer::SetRegisters(task.pid, registers));
  task.last = registers;
  task.phase = Task::Phase::kUser;
  Tgkill(task.leader, task.pid, verdict.data);
  return Continue(task.pid);
}

bool Supervisor::PassFilters(Task& task) {
  Registers registers;
  if (!ptracer::GetRegisters(task.pid, registers).ok()) return true;  // it is gone
  FilterVerdict verdict = JudgeByFilters(task, registers);
  if (verdict.kind == FilterVerdict::Kind::kAllow) return true;
  if (verdict.kind != FilterVerdict::Kind::kError) return false;
  machine::SuppressCall(registers);
  machine::SetResult(registers, -verdict.data);
  return ptracer::SetRegisters(task.pid, registers).ok();
}

FilterVerdict JudgeByFilters(const Task& task, const Registers& entry) {
  seccomp_data data{};
  data.nr = static_cast<int>(machine::SyscallNumber(entry));
  data.arch = HostArch().audit_arch;
  data.instruction_pointer = Pc(entry);
  for (int i = 0; i < 6; ++i) data.args[i] = machine::Argument(entry, i);
  Sys sys = HostArch().SysOf(data.nr);
  // The kernel's own vDSO answers these without a call.
  bool in_vdso = Pc(entry) > task.process->vdso_start && Pc(entry) <= task.process->vdso_end;
  if (in_vdso && sys != Sys::rt_sigreturn) return {};
  bool is_harmless =
      sys == Sys::read || sys == Sys::write || sys == Sys::exit || sys == Sys::rt_sigreturn;
  return JudgeCall(*task.confinement, data, is_harmless);
}

}  // namespace retake
