#include "snapshot/frozen_tree.h"

#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>

#include "base/clock.h"
#include "tracee/proc_files.h"
#include "tracee/ptrace.h"
#include "tracee/remote_calls.h"

namespace retake {
namespace {

// A task that sleeps in the kernel where nothing may interrupt it stops when that is over.
constexpr int kStopBound = 10'000;  // ms

// Why a task can't be seized, in words.
Error CantSeize(const Error& error, pid_t pid, pid_t tid) {
  auto status = ProcStatus::ReadTask(pid, tid);
  if (!status.ok()) return Error(ESRCH, "there is no such process", pid);
  if (pid_t tracer = static_cast<pid_t>(status->Number("TracerPid")); tracer != 0) {
    auto stat = ProcStat::Read(tracer);
    return Error(0,
                 fmt::format("it is traced by pid {} ({}), and only one tracer can hold a process: "
                             "detach that first",
                             tracer, stat.ok() ? stat->name() : "?"),
                 tid);
  }
  if (auto kernel_thread = status->Line("Kthread"); kernel_thread == "1")
    return Error(0, "it is a thread of the kernel's", tid);
  if (error.code() != EPERM) return error;
  if (auto yama = ReadWhole("/proc/sys/kernel/yama/ptrace_scope"); yama.ok()) {
    std::string scope = yama->substr(0, yama->find('\n'));
    if (scope != "0") {
      return Error(
          EPERM,
          fmt::format("the kernel allows tracing of one's own children only (Yama's "
                      "ptrace_scope is {}): run this with CAP_SYS_PTRACE, or as root write "
                      "0 to /proc/sys/kernel/yama/ptrace_scope",
                      scope),
          tid);
    }
  }
  return Error(EPERM,
               "it may not be traced by this user: it is another's, has more privileges, or has "
               "made itself undumpable",
               tid);
}

// Calls that the kernel ends with EINTR, not with a restart, when a task is stopped in them
// (signal(7)): made again they go on as if nothing had been, since they had done nothing yet.
bool EndsWhenStopped(Sys sys) {
  switch (sys) {
    case Sys::epoll_wait:
    case Sys::epoll_pwait:
    case Sys::epoll_pwait2:
    case Sys::rt_sigtimedwait:
    case Sys::semop:
    case Sys::semtimedop:
    case Sys::io_getevents:
    case Sys::io_pgetevents:
    // Of sockets with a time limit; read of inotify, too.
    case Sys::accept:
    case Sys::accept4:
    case Sys::connect:
    case Sys::recvfrom:
    case Sys::recvmsg:
    case Sys::recvmmsg:
    case Sys::sendto:
    case Sys::sendmsg:
    case Sys::sendmmsg:
    case Sys::read:
    case Sys::readv:
    case Sys::write:
    case Sys::writev:
      return true;
    default:
      return false;
  }
}

bool IsCaught(pid_t tid, int signal) {
  auto status = ProcStatus::ReadTask(tid, tid);
  return !status.ok() || (status->Number("SigCgt", 16) >> (signal - 1) & 1) != 0;
}

}  // namespace

bool SignalWaits(pid_t tid) {
  auto status = ProcStatus::ReadTask(tid, tid);
  if (!status.ok()) return false;
  uint64_t pending = status->Number("SigPnd", 16) | status->Number("ShdPnd", 16);
  return (pending & ~status->Number("SigBlk", 16)) != 0;
}

Result<std::unique_ptr<FrozenTree>> FrozenTree::Freeze(pid_t root, bool descendants) {
  std::unique_ptr<FrozenTree> tree(new FrozenTree(descendants));
  TRY(tree->FreezeAll(root));
  return tree;
}

FrozenTree::~FrozenTree() { Release(); }

Status FrozenTree::FreezeAll(pid_t root) {
  if (kill(root, 0) != 0 && errno == ESRCH) return Error(ESRCH, "there is no such process", root);
  stopped_at_ = MonotonicNanoseconds();
  processes_.push_back({.pid = root});
  while (TRY(FreezeNew())) {
  }
  // A child that nobody waits for can have gone meanwhile.
  for (size_t i = processes_.size(); i-- > 0;) {
    const FrozenProcess& process = processes_[i];
    if (!process.tasks.empty() || process.zombie) continue;
    bool has_children = std::any_of(
        processes_.begin(), processes_.end(),
        [&](const FrozenProcess& other) { return &other != &process && other.parent == i; });
    if (i == 0 || has_children)
      return Error(ESRCH, "it ended before it could be stopped", process.pid);
    processes_.erase(processes_.begin() + static_cast<ptrdiff_t>(i));
    for (FrozenProcess& other : processes_) {
      if (other.parent > i) --other.parent;
    }
  }
  if (processes_[0].zombie) return Error(0, "it has ended, and waits to be reaped", root);
  return {};
}

Result<bool> FrozenTree::FreezeNew() {
  bool found = false;
  for (size_t i = 0; i < processes_.size(); ++i) {
    if (TRY(FreezeTasks(processes_[i]))) found = true;
    if (!descendants_) continue;
    for (pid_t tid : TasksOf(processes_[i].pid)) {
      for (pid_t child : ChildrenOf(processes_[i].pid, tid)) {
        // It may have been started by what it takes.
        if (child == getpid()) continue;
        auto known = std::ranges::find(processes_, child, &FrozenProcess::pid);
        if (known != processes_.end()) continue;
        processes_.push_back({.pid = child, .parent = i});
        found = true;
      }
    }
  }
  return found;
}

Result<bool> FrozenTree::FreezeTasks(FrozenProcess& process) {
  bool found = false;
  if (process.zombie) return false;
  size_t before = process.tasks.size();
  for (pid_t tid : TasksOf(process.pid)) {
    if (std::ranges::find(process.tasks, tid, &FrozenTask::tid) != process.tasks.end()) continue;
    TRY(Seize(process, tid));
  }
  // All are asked before any is waited for.
  for (size_t i = before; i < process.tasks.size();) {
    if (TRY(AwaitStop(process.tasks[i]))) {
      ++i;
    } else {
      process.tasks.erase(process.tasks.begin() + static_cast<ptrdiff_t>(i));
    }
    found = true;
  }
  std::ranges::sort(process.tasks, {},
                    [&](const FrozenTask& task) { return task.tid == process.pid ? 0 : task.tid; });
  process.leader_exited = !process.tasks.empty() && process.tasks[0].tid != process.pid;
  return found;
}

Status FrozenTree::Seize(FrozenProcess& process, pid_t tid) {
  Status seized = ptracer::Seize(tid, kTraceOptions);
  if (!seized.ok()) {
    auto stat = ProcStat::ReadTask(process.pid, tid);
    if (!stat.ok() || stat->state() == 'X') return {};
    if (stat->state() == 'Z') {
      // A leader stays until its threads have ended; alone, it waits for its parent.
      if (tid == process.pid && TasksOf(process.pid).size() == 1) process.zombie = true;
      return {};
    }
    return CantSeize(seized.error(), process.pid, tid);
  }
  process.tasks.push_back({.tid = tid});
  if (machine::StopsHideCalls()) process.tasks.back().sleeping = ReadSleepingCall(tid);
  Status interrupted = ptracer::Interrupt(tid);
  if (!interrupted.ok() && !IsGone(interrupted.error())) return interrupted;
  return {};
}

Result<bool> FrozenTree::AwaitStop(FrozenTask& task) {
  int64_t deadline = MonotonicMilliseconds() + kStopBound;
  for (;;) {
    int left = static_cast<int>(std::max<int64_t>(deadline - MonotonicMilliseconds(), 1));
    auto status = TRY(ptracer::WaitOne(task.tid, left));
    if (!status) {
      return Error(ETIMEDOUT,
                   fmt::format("it didn't stop within {} s: it is in a call of the kernel's that "
                               "can't be interrupted",
                               kStopBound / 1000),
                   task.tid);
    }
    switch (status->kind()) {
      case StopKind::kExited:
      case StopKind::kKilled:
        return false;
      case StopKind::kSignal:
        // It came first, and is the task's. If it is handled, it is what ended the task's call.
        if (task.sleeping && IsCaught(task.tid, status->signal())) task.sleeping.reset();
        TRY(ptracer::Resume(task.tid, ResumeKind::kContinue, status->signal()));
        continue;
      case StopKind::kGroupStop:
        task.stopped_by = status->signal();
        break;
      case StopKind::kEventStop:
        break;
      default:
        TRY(ptracer::Resume(task.tid, ResumeKind::kContinue));
        continue;
    }
    Status read = ReadStop(task);
    if (!read.ok() && IsGone(read.error())) continue;
    TRY(std::move(read));
    return true;
  }
}

Status FrozenTree::ReadStop(FrozenTask& task) {
  TRY(ptracer::GetRegisters(task.tid, task.registers));
  task.signal_mask = TRY(ptracer::GetSigmask(task.tid));
  std::vector<uint8_t> code;
  if (machine::StopsHideCalls()) code = ptracer::PeekWord(task.tid, Pc(task.registers));
  const SleepingCall* sleeping = task.sleeping ? &*task.sleeping : nullptr;
  task.call = machine::CallAtStop(task.registers, sleeping, code);
  if (task.call.outcome != StopOutcome::kEnded ||
      !EndsWhenStopped(HostArch().SysOf(task.call.number)) || SignalWaits(task.tid))
    return {};
  machine::RewindEndedCall(task.registers, task.call, sleeping);
  task.call.outcome = StopOutcome::kAhead;
  return ptracer::SetRegisters(task.tid, task.registers);
}

void FrozenTree::Release() {
  for (FrozenProcess& process : processes_) {
    // A task that was killed meanwhile is not ours to let go.
    for (FrozenTask& task : process.tasks) (void)ptracer::Detach(task.tid);
    process.tasks.clear();
  }
  if (released_at_ == 0) released_at_ = MonotonicNanoseconds();
}

void FrozenTree::LeaveStopped() {
  for (FrozenProcess& process : processes_) {
    if (!process.tasks.empty()) kill(process.pid, SIGSTOP);
  }
  Release();
}

void FrozenTree::Kill() {
  // Children first: none of them shall learn that its parent has died.
  for (size_t i = processes_.size(); i-- > 0;) {
    const FrozenProcess& process = processes_[i];
    if (!process.tasks.empty()) kill(process.pid, SIGKILL);
  }
  for (FrozenProcess& process : processes_) {
    // A leader's end is told when all of its threads have been waited for.
    for (size_t i = process.tasks.size(); i-- > 0;) {
      const FrozenTask& task = process.tasks[i];
      auto status = ptracer::WaitOne(task.tid, kStopBound);
      while (status.ok() && *status && !(*status)->gone()) {
        (void)ptracer::Resume(task.tid, ResumeKind::kContinue);
        status = ptracer::WaitOne(task.tid, kStopBound);
      }
    }
    process.tasks.clear();
  }
  Release();
}

}  // namespace retake
