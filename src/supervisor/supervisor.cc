// The event loop: waits, tells the stops apart, and lets tasks go on. Signals are in
// supervisor_signals.cc.
#include "supervisor/supervisor.h"

#include <sched.h>
#include <sys/ptrace.h>
#include <time.h>

#include <algorithm>

#include "base/clock.h"
#include "base/kernel_constants.h"
#include "supervisor/exec_setup.h"
#include "supervisor/filter.h"
#include "supervisor/own_traps.h"
#include "tracee/hidden_register.h"
#include "tracee/remote_calls.h"

namespace retake {
namespace {

constexpr int kEndBound = 3'000;    // ms: how long a task may take to end when the tree is ended
constexpr int kTaskBound = 10'000;  // ms: how long a stop that is certain to come may take

// include/linux/errno.h, ERESTARTNOHAND: the kernel makes the call again unless a handler runs.
constexpr int64_t kRestartUnlessHandled = -514;

void Nap(long nanoseconds) {
  timespec nap{0, nanoseconds};
  nanosleep(&nap, nullptr);
}

// Descendants inherit them.
constexpr uint64_t kTraceOptions = PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL |
                                   PTRACE_O_TRACESECCOMP | PTRACE_O_TRACEEXEC | PTRACE_O_TRACEFORK |
                                   PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXIT;

bool IsUntracedClone(const Task& task) {
  return task.sys == Sys::clone && (machine::Argument(task.entry, 0) & CLONE_UNTRACED) != 0;
}

}  // namespace

Task& Supervisor::NewTask(pid_t pid) {
  auto task = std::make_unique<Task>();
  task->pid = task->leader = pid;
  task->id = next_id_++;
  Task& result = *task;
  tasks_[pid] = std::move(task);
  return result;
}

Task* Supervisor::Find(pid_t pid) {
  auto found = tasks_.find(pid);
  return found == tasks_.end() ? nullptr : found->second.get();
}

Status Supervisor::SeizeFirst(pid_t pid) {
  TRY(ptracer::Seize(pid, kTraceOptions));
  Task& task = NewTask(pid);
  task.phase = Task::Phase::kStarting;
  task.signals = std::make_shared<SignalActions>();
  JoinGroup(task, std::make_shared<ShareGroup>());
  task.group->cpu = options_.cpu;
  task.no_new_privs = options_.no_new_privs;
  first_ = &task;
  return {};
}

Result<std::optional<ptracer::Stop>> Supervisor::NextStop() {
  if (!first_is_zombie_) return ptracer::WaitAny();
  // The first task is to stay a zombie: wait for each of the others, never for "any".
  for (auto& [pid, task] : tasks_) {
    if (task.get() == first_) continue;
    auto status = TRY(ptracer::WaitOne(pid, 0));
    if (status) return std::optional(ptracer::Stop{pid, *status});
  }
  Nap(200'000);
  return std::optional<ptracer::Stop>();
}

Result<Supervisor::RunEnd> Supervisor::Run() {
  SetTicking();
  while (tasks_.size() > (first_is_zombie_ ? 1U : 0U)) {
    auto stop = TRY(NextStop());
    if (!stop) {
      TRY(Tick());
      continue;
    }
    Task* task = Find(stop->pid);
    if (task == nullptr) {
      // A new task's first stop can be seen before the stop of the task that made it.
      early_stops_[stop->pid] = stop->status;
      continue;
    }
    TRY(Arrive(*task, stop->status));
    while (!undispatched_.empty()) {
      std::shared_ptr<ShareGroup> group = std::move(undispatched_.back());
      undispatched_.pop_back();
      TRY(Dispatch(*group));
    }
    if (tick_ms_ > 0) TRY(Tick());
    if (first_held_ != nullptr && !first_exit_seen_) {
      first_exit_seen_ = true;
      return RunEnd::kFirstExiting;
    }
  }
  return RunEnd::kAllGone;
}

bool Supervisor::HasOthers() const {
  return std::any_of(tasks_.begin(), tasks_.end(), [&](const auto& entry) {
    return first_ == nullptr || entry.second->leader != first_->pid;
  });
}

Status Supervisor::LetFirstGo() { return ptracer::Resume(first_held_->pid, ResumeKind::kContinue); }

Result<WaitStatus> Supervisor::FinishFirst() {
  Status resumed = LetFirstGo();
  if (!resumed.ok() && !IsGone(resumed.error())) return resumed.TakeError();
  if (first_held_ != first_) {
    // A thread that has outlived its leader.
    auto ended = TRY(ptracer::WaitOne(first_held_->pid, kTaskBound));
    if (!ended) return Error(ETIMEDOUT, "a thread doesn't end after its last call");
    TRY(HandleGone(*first_held_, *ended));
  }
  first_held_ = nullptr;
  WaitStatus status = TRY(ptracer::PeekExit(first_->pid, kTaskBound));
  TRY(sink_.OnGone(*first_, status));
  first_is_zombie_ = true;
  return status;
}

void Supervisor::ReapFirst() {
  if (first_ == nullptr) return;
  (void)ptracer::WaitOne(first_->pid, kTaskBound);
  Forget(*first_);
}

// Lets a task go on from a stop that isn't its call's own, in whatever it was doing.
Status Supervisor::GoOn(Task& task, int signal) {
  bool wants_exit = task.phase == Task::Phase::kInCall || task.phase == Task::Phase::kExec ||
                    task.phase == Task::Phase::kAnswered;
  if (wants_exit) return ptracer::Resume(task.pid, ResumeKind::kToSyscall, signal);
  return Continue(task.pid, signal);
}

Status Supervisor::Continue(pid_t pid, int signal) {
  return ptracer::Resume(
      pid, options_.stop_at_every_call ? ResumeKind::kToSyscall : ResumeKind::kContinue, signal);
}

Status Supervisor::Handle(Task& task, WaitStatus status) {
  switch (status.kind()) {
    case StopKind::kExited:
    case StopKind::kKilled:
      return HandleGone(task, status);
    case StopKind::kSeccomp:
      if (task.phase == Task::Phase::kStarting)
        return ptracer::Resume(task.pid, ResumeKind::kContinue);
      return HandleCallEntry(task, /*at_filter=*/true);
    case StopKind::kSyscall:
      switch (task.phase) {
        case Task::Phase::kExec:
          return HandleExecDone(task);
        case Task::Phase::kInCall:
          return HandleCallExit(task);
        case Task::Phase::kAnswered:
          task.phase = Task::Phase::kUser;
          TRY(ptracer::SetRegisters(task.pid, task.last));
          return RunUser(task);
        case Task::Phase::kUser:
        case Task::Phase::kInterrupted:
          return task.at_entry ? HandleRefusedCall(task)
                               : HandleCallEntry(task, /*at_filter=*/false);
        case Task::Phase::kStarting:
        case Task::Phase::kExiting:
          return GoOn(task);
      }
      return {};
    case StopKind::kExec:
      return HandleExecStop(task);
    case StopKind::kNewTask:
      return HandleNewTask(task, status.ptrace_event());
    case StopKind::kExiting:
      return HandleExiting(task);
    case StopKind::kEventStop:
      task.trap_pending = false;
      return GoOn(task);
    case StopKind::kVforkDone:
      return GoOn(task);
    case StopKind::kGroupStop:
      TRY(GiveUpTurnStopped(task));
      task.listens = true;
      return ptracer::Resume(task.pid, ResumeKind::kListen);
    case StopKind::kSignal:
      if (task.phase == Task::Phase::kStarting) return GoOn(task, status.signal());
      return HandleSignal(task, status.signal());
  }
  return {};
}

Status Supervisor::HandleCallEntry(Task& task, bool at_filter) {
  Registers registers;
  TRY(ptracer::GetRegisters(task.pid, registers));
  uint64_t data = kStopCall;
  if (at_filter) {
    data = TRY(ptracer::EventMessage(task.pid));
    // Where every call stops at its entry already, the filter has to say something only of calls
    // that have no syscall stop, and of foreign ones; and what that stop hides.
    bool foreign = data == kForeignArchCall || data == kForeignAbiCall;
    bool decided = task.phase == Task::Phase::kInCall || task.phase == Task::Phase::kAnswered;
    bool tells = foreign || machine::IsLegacyPageCall(registers) ||
                 (machine::HiddenAtSyscallStops() && !decided);
    if (options_.stop_at_every_call && !tells)
      return ptracer::Resume(task.pid, ResumeKind::kToSyscall);
    task.at_entry = false;
  } else if (machine::HiddenAtSyscallStops() && !task.at_entry) {
    // The filter's stop comes next.
    task.seen_at_entry = registers;
    task.at_entry = true;
    return ptracer::Resume(task.pid, ResumeKind::kToSyscall);
  } else if (HostArch().SysOf(static_cast<int64_t>(machine::SyscallNumber(registers))) ==
             Sys::kNone) {
    data = kUnknownCall;
  }
  if (task.phase == Task::Phase::kInterrupted && machine::IsReentryOf(task.made, registers)) {
    task.phase = Task::Phase::kInCall;
    return ptracer::Resume(task.pid, ResumeKind::kToSyscall);
  }
  EnterCall(task, registers);
  bool held = !task.held.empty() && !task.requeued;
  if (std::exchange(task.trap_pending, false) || held) {
    // A signal found it computing, and this call is the first boundary since: the handler runs
    // before the call is made. And what we stopped it by, a moment too late, would interrupt the
    // call, which some calls tell the program.
    TRY(sink_.OnCallEntered(task));
    machine::RewindToCall(registers);
    TRY(ptracer::SetRegisters(task.pid, registers));
    task.last = registers;
    if (held) Requeue(task);
    if (options_.stop_at_every_call && !machine::IsLegacyPageCall(task.entry)) {
      task.phase = Task::Phase::kAnswered;
      return ptracer::Resume(task.pid, ResumeKind::kToSyscall);
    }
    task.phase = Task::Phase::kUser;
    return Continue(task.pid);
  }
  if (data == kStopCall && RecordDisposition(RowOf(task.sys)) == Disposition::kDeny)
    data = kDeniedCall;
  return Decide(task, static_cast<uint16_t>(data));
}

void Supervisor::EnterCall(Task& task, const Registers& registers) {
  task.entry = task.made = registers;
  task.refused = false;
  task.may_block = task.settles = false;
  task.call_noticed = 0;
  task.sys = HostArch().SysOf(static_cast<int64_t>(machine::SyscallNumber(registers)));
  if (HasEpollTimeout(task.sys)) task.call_began = MonotonicMilliseconds();
}

Status Supervisor::HandleRefusedCall(Task& task) {
  task.at_entry = false;
  Registers entry = task.seen_at_entry;
  // What syscall stops hide is seen in the stop after this one, before the program goes on.
  TRY(ptracer::Interrupt(task.pid));
  TRY(ptracer::Resume(task.pid, ResumeKind::kContinue));
  auto stop = TRY(ptracer::WaitOne(task.pid, kEndBound));
  if (!stop)
    return Error(ETIMEDOUT, "a task doesn't return from a call that was refused", task.pid);
  if (stop->kind() != StopKind::kEventStop) return Handle(task, *stop);
  Registers registers;
  TRY(ptracer::GetRegisters(task.pid, registers));
  CopyHiddenRegister(registers, entry);
  EnterCall(task, entry);
  task.refused = true;
  return Decide(task, task.sys == Sys::kNone ? kUnknownCall : kStopCall);
}

Status Supervisor::Decide(Task& task, uint16_t filter_data) {
  CallVerdict verdict = TRY(sink_.OnCallEntry(task, filter_data));
  switch (verdict.kind) {
    case CallVerdict::Kind::kRun:
      task.phase = Task::Phase::kInCall;
      if (task.refused) return HandleCallExit(task);
      task.may_block = verdict.may_block;
      task.settles = verdict.settles;
      if (IsUntracedClone(task)) {
        // Its child would escape.
        machine::SetArgument(task.made, 0,
                             machine::Argument(task.made, 0) & ~uint64_t{CLONE_UNTRACED});
      }
      if (task.made != task.entry) TRY(ptracer::SetRegisters(task.pid, task.made));
      TRY(ptracer::Resume(task.pid, ResumeKind::kToSyscall));
      if (verdict.settles) return AwaitSleep(task);
      return task.may_block ? AwaitQuickReturn(task) : Status();
    case CallVerdict::Kind::kEnds:
      return EndBySignal(task, verdict);
    case CallVerdict::Kind::kTrap:
    case CallVerdict::Kind::kAnswer: {
      Registers registers = task.entry;
      machine::SuppressCall(registers);
      if (machine::IsLegacyPageCall(task.entry)) {
        // The kernel returns from there by itself, but only if nothing but the result was changed.
        machine::SetResult(registers, verdict.result);
        TRY(ptracer::SetRegisters(task.pid, registers));
        uint64_t return_address = 0;
        task.process->memory.ReadValue(Sp(registers), &return_address);
        machine::FinishLegacyPageCall(registers, return_address, verdict.result);
      } else {
        machine::FinishCall(registers, verdict.result);
        TRY(ptracer::SetRegisters(task.pid, registers));
      }
      task.last = registers;
      if (verdict.kind == CallVerdict::Kind::kTrap) TRY(Trap(task, verdict.data));
      if (options_.stop_at_every_call && !task.refused && !machine::IsLegacyPageCall(task.entry)) {
        // The exit stop comes all the same, and shows the registers once more.
        task.phase = Task::Phase::kAnswered;
        return ptracer::Resume(task.pid, ResumeKind::kToSyscall);
      }
      task.phase = Task::Phase::kUser;
      return RunUser(task);
    }
    case CallVerdict::Kind::kFinal:
      task.phase = Task::Phase::kExiting;
      if (TaskEffectOf(RowOf(task.sys)) == TaskEffect::kExitsGroup) DropWaiting(task);
      return ptracer::Resume(task.pid, ResumeKind::kContinue);
    case CallVerdict::Kind::kHold:
      on_hold_[task.pid] = filter_data;
      if (task.group->members > 1) {
        TRY(sink_.OnCallEntered(task));
        task.group->holder = nullptr;
      }
      return {};
    case CallVerdict::Kind::kRetry:
      // Others run before, who see what it has done up to here.
      TRY(sink_.OnCallEntered(task));
      task.filter_data = filter_data;
      task.group->holder = nullptr;
      Wait(task, Task::Wants::kDecide);
      return {};
    case CallVerdict::Kind::kRepeat: {
      // No event: a signal that finds it here finds it computing.
      Registers registers = task.entry;
      machine::RewindToCall(registers);
      TRY(ptracer::SetRegisters(task.pid, registers));
      task.phase = Task::Phase::kUser;
      return Continue(task.pid);
    }
  }
  return {};
}

void Supervisor::Release() {
  std::map<pid_t, uint16_t> waiting = std::move(on_hold_);
  on_hold_.clear();
  for (auto [pid, data] : waiting) {
    Task* task = Find(pid);
    if (task == nullptr) continue;
    if (task->group->members > 1) {
      task->filter_data = data;
      Wait(*task, Task::Wants::kDecide);
      undispatched_.push_back(task->group);
      continue;
    }
    // A failure here is met again at the task's next stop.
    (void)Decide(*task, data);
  }
}

// Gives the program back the arguments that it passed, where the kernel was given others.
void Supervisor::RestoreArguments(const Task& task, Registers& registers) const {
  if (task.made == task.entry) return;
  for (int i = 0; i < 6; ++i) {
    uint64_t passed = machine::Argument(task.entry, i);
    bool is_result = HostArch().args[static_cast<size_t>(i)] == HostArch().result;
    if (passed != machine::Argument(task.made, i) && !is_result)
      machine::SetArgument(registers, i, passed);
  }
}

Status Supervisor::HandleCallExit(Task& task) {
  Registers found;
  TRY(ptracer::GetRegisters(task.pid, found));
  if (machine::ResultOf(found) == -EINTR && InterruptedByIgnored(task)) {
    ShortenTimeout(task, found);
    machine::SetResult(found, kRestartUnlessHandled);
    // With the number of the call: the kernel has to know that this is one.
    TRY(ptracer::SetRegisters(task.pid, found));
  }
  CompleteExit(task.sys, task.entry, task.process->memory, found);
  if (machine::IsRestart(machine::ResultOf(found))) {
    task.phase = Task::Phase::kInterrupted;
    task.last = found;
    TRY(sink_.OnCallInterrupted(task, found));
    return Continue(task.pid);
  }
  task.phase = Task::Phase::kUser;
  if (std::exchange(task.vforking, false)) --task.group->vforking;
  Registers registers = found;
  RestoreArguments(task, registers);
  TRY(sink_.OnCallExit(task, registers));
  if (registers != found) TRY(ptracer::SetRegisters(task.pid, registers));
  task.last = registers;
  return RunUser(task, task.sys == Sys::sched_yield);
}

Status Supervisor::HandleExecDone(Task& task) {
  // First of all: another architecture's registers can't be read as ours.
  std::vector<Mapping> mappings = TRY(ReadMappings(task.pid));
  TRY(CheckProgram(task.pid, mappings));
  Registers registers;
  TRY(ptracer::GetRegisters(task.pid, registers));
  CopyHiddenRegister(Registers{}, registers);  // a new program begins with zeros
  TaskMemory memory = TRY(TaskMemory::Open(task.pid));
  task.process = std::make_shared<Process>(std::move(memory));
  task.process->owner = task.pid;
  if (const Mapping* vdso = FindVdso(mappings); vdso != nullptr) {
    task.process->vdso_start = vdso->start;
    task.process->vdso_end = vdso->end;
  }
  int cpu = task.group->cpu;
  bool was_shared = task.group->members > 1;
  LeaveGroup(task);
  JoinGroup(task, std::make_shared<ShareGroup>());
  task.group->cpu = cpu;
  // Where cpuid isn't steady, pinning doesn't help.
  task.group->movable = !machine::CpuidTrap(true).has_value() || !CpuidIsSteady();
  if (!task.group->movable) {
    PlaceGroup(*task.group, options_.cpu);
  } else if (was_shared) {
    // It began by a vfork: now it goes on beside its parent.
    PlaceGroup(*task.group, placement_.Choose(cpu, Groups(task.group.get())));
  }
  if (was_shared) NoteSeveral();
  if (task.signals.use_count() > 1) task.signals = std::make_shared<SignalActions>(*task.signals);
  task.signals->ResetHandlers();
  {
    SignalsHeld guard = TRY(SignalsHeld::Hold(task.pid));
    TRY(SetUpNewImage(task.pid, task.process->memory, registers, mappings, options_.notes));
    TRY(ptracer::SetRegisters(task.pid, registers));
    if (options_.portable) TRY(TrapCpuid(task, registers));
  }
  machine::ForgetSyscall(registers);
  TRY(ptracer::SetRegisters(task.pid, registers));
  task.signal_mask = TRY(ptracer::GetSigmask(task.pid));
  task.phase = Task::Phase::kUser;
  task.held.clear();
  TRY(sink_.OnExec(task, registers, mappings));
  task.last = registers;
  return Continue(task.pid);
}

Status Supervisor::TrapCpuid(Task& task, const Registers& registers) {
  auto trap = machine::CpuidTrap(true);
  if (!trap || !cpuid_works_) return {};
  RemoteCalls calls(task.pid, task.process->memory, registers);
  uint64_t result = TRY(calls.Call(MakeCall(trap->sys, trap->args[0], trap->args[1])));
  TRY(ptracer::SetRegisters(task.pid, registers));
  if (CallFailed(result)) {
    cpuid_works_ = false;
    return {};
  }
  task.group->movable = true;
  if (!own_cpuid_trapped_) {
    // With the flag equal on both sides of a switch, the kernel writes no MSR there, which on a VM
    // is an exit each time: 3 us a stop instead of 6. From here on this thread executes no cpuid
    // itself.
    own_cpuid_trapped_ = TrapOwnCpuid();
  }
  return {};
}

Status Supervisor::HandleNewTask(Task& parent, int ptrace_event) {
  pid_t pid = static_cast<pid_t>(TRY(ptracer::EventMessage(parent.pid)));
  WaitStatus first_stop;
  if (auto early = early_stops_.find(pid); early != early_stops_.end()) {
    first_stop = early->second;
    early_stops_.erase(early);
  } else {
    auto waited = TRY(ptracer::WaitOne(pid, -1));
    first_stop = *waited;
  }
  NewTaskKind kind = NewTaskKind::kFork;
  uint64_t flags = CloneFlags(parent);
  if ((flags & CLONE_THREAD) != 0 || ((flags & CLONE_VM) != 0 && (flags & CLONE_VFORK) == 0)) {
    kind = NewTaskKind::kThread;
  } else if (ptrace_event == PTRACE_EVENT_VFORK && (flags & CLONE_VM) != 0) {
    kind = NewTaskKind::kVfork;
  }
  Task& child = NewTask(pid);
  child.signal_mask = parent.signal_mask;
  child.confinement = parent.confinement;
  child.no_new_privs = parent.no_new_privs;
  child.signals = (flags & CLONE_SIGHAND) != 0 ? parent.signals
                                               : std::make_shared<SignalActions>(*parent.signals);
  if ((flags & CLONE_CLEAR_SIGHAND) != 0) child.signals->ResetHandlers();
  child.phase = Task::Phase::kUser;
  if ((flags & CLONE_THREAD) != 0) child.leader = parent.leader;
  bool shares = kind != NewTaskKind::kFork || sink_.CopySharesMemory(parent);
  JoinGroup(child, shares ? parent.group : std::make_shared<ShareGroup>());
  if (first_stop.gone()) {
    // Killed before it ran.
    child.process = parent.process;
    TRY(GoOn(parent));
    return HandleGone(child, first_stop);
  }
  TRY(ptracer::GetRegisters(pid, child.last));
  Registers found = child.last;
  RestoreArguments(parent, child.last);
  if (child.last != found) TRY(ptracer::SetRegisters(pid, child.last));
  if (kind == NewTaskKind::kFork) {
    TaskMemory memory = TRY(TaskMemory::Open(pid));
    child.process = std::make_shared<Process>(std::move(memory));
    child.process->owner = pid;
    child.process->vdso_start = parent.process->vdso_start;
    child.process->vdso_end = parent.process->vdso_end;
  } else {
    child.process = parent.process;
  }
  TRY(sink_.OnNewTask(parent, child, kind));
  // The parent of a vfork sleeps until the child has gone on to a program of its own.
  if (kind == NewTaskKind::kVfork) {
    parent.may_block = parent.vforking = true;
    ++parent.group->vforking;
  }
  TRY(GoOn(parent));
  if (first_stop.kind() == StopKind::kGroupStop) return ptracer::Resume(pid, ResumeKind::kListen);
  if (!shares) {
    child.group->cpu = parent.group->cpu;
    child.group->movable = parent.group->movable;
    if (child.group->movable)
      PlaceGroup(*child.group, placement_.Choose(child.group->cpu, Groups(parent.group.get())));
    NoteSeveral();
    return Continue(pid);
  }
  Wait(child, Task::Wants::kRun);
  return {};
}

Status Supervisor::HandleExecStop(Task& task) {
  // A thread that execs takes the place of its leader, under whose pid the stop is reported;
  // nothing else is (ptrace(2)).
  auto former = static_cast<pid_t>(TRY(ptracer::EventMessage(task.pid)));
  if (Task* caller = Find(former); caller != nullptr && caller != &task) {
    task.process = caller->process;
    task.signals = caller->signals;
    task.signal_mask = caller->signal_mask;
    task.confinement = caller->confinement;
    task.no_new_privs = caller->no_new_privs;
    task.entry = caller->entry;
    task.made = caller->made;
    task.sys = caller->sys;
    task.is_zombie = false;
    TRY(sink_.OnGone(*caller, WaitStatus()));
    Forget(*caller);
  }
  AwaitHeirs(task);
  task.phase = Task::Phase::kExec;
  return ptracer::Resume(task.pid, ResumeKind::kToSyscall);
}

bool Supervisor::EndsFirst(const Task& task) const {
  if (first_ == nullptr || task.leader != first_->pid || first_exit_seen_) return false;
  return std::all_of(tasks_.begin(), tasks_.end(), [&](const auto& entry) {
    const Task& other = *entry.second;
    return &other == &task || other.leader != task.leader || other.is_zombie;
  });
}

Status Supervisor::HandleExiting(Task& task) {
  // Killed in a call: what it had done up to there is seen by those who share its memory.
  if (task.in_call() && task.group->members > 1) TRY(sink_.OnCallEntered(task));
  task.phase = Task::Phase::kExiting;
  if (task.process != nullptr) {
    // Its memory is looked at through a task that has it.
    TaskMemory& memory = task.process->memory;
    for (auto& [pid, other] : tasks_) {
      if (memory.pid() != task.pid) break;
      if (other->process == task.process && other->phase != Task::Phase::kExiting)
        memory.set_pid(pid);
    }
    TRY(sink_.OnExiting(task));
  }
  if (EndsFirst(task)) {
    first_held_ = &task;
    return {};
  }
  TRY(ptracer::Resume(task.pid, ResumeKind::kContinue));
  // It keeps its turn until it is gone. But a leader is gone only when its threads are.
  bool has_threads = std::any_of(tasks_.begin(), tasks_.end(), [&](const auto& entry) {
    return entry.second.get() != &task && entry.second->leader == task.pid;
  });
  if (task.is_thread() || !has_threads) return {};
  return AwaitZombie(task);
}

void Supervisor::Forget(Task& task) {
  if (!task.held.empty()) --held_tasks_;
  on_hold_.erase(task.pid);
  LetGoOfAll(task);
  LeaveGroup(task);
  if (&task == first_held_) first_held_ = nullptr;
  if (&task == first_) {
    first_ = nullptr;
    first_is_zombie_ = false;
  }
  tasks_.erase(task.pid);
}

Status Supervisor::HandleGone(Task& task, WaitStatus status) {
  Status told;
  AwaitHeirs(task);
  if (task.phase != Task::Phase::kStarting) told = sink_.OnGone(task, status);
  Forget(task);
  return told;
}

Status Supervisor::PassOn(Task& task, WaitStatus status) {
  switch (status.kind()) {
    case StopKind::kSignal:
      if ((status.signal() == SIGSEGV || status.signal() == SIGILL) && AnswerTrapSilently(task))
        return ptracer::Resume(task.pid, ResumeKind::kContinue);
      return ptracer::Resume(task.pid, ResumeKind::kContinue, status.signal());
    case StopKind::kExec: {
      Result<TaskMemory> memory = TaskMemory::Open(task.pid);
      if (memory.ok()) task.process = std::make_shared<Process>(memory.TakeValue());
      break;
    }
    case StopKind::kNewTask: {
      auto pid = ptracer::EventMessage(task.pid);
      if (pid.ok() && Find(static_cast<pid_t>(*pid)) == nullptr) {
        Task& child = NewTask(static_cast<pid_t>(*pid));
        child.process = task.process;
        child.confinement = task.confinement;
      }
      break;
    }
    case StopKind::kGroupStop:
      return ptracer::Resume(task.pid, ResumeKind::kListen);
    case StopKind::kSeccomp:
      if (task.confinement != nullptr && !PassFilters(task)) kill(task.pid, SIGKILL);
      break;
    default:
      break;
  }
  return ptracer::Resume(task.pid, ResumeKind::kContinue);
}

Status Supervisor::RunUnrecorded() {
  // Whoever is in a stop goes on; for the others this does nothing. Held signals are sent again.
  for (auto& [pid, task] : tasks_) {
    Requeue(*task);
    (void)ptracer::Resume(pid, ResumeKind::kContinue);
  }
  while (!tasks_.empty()) {
    auto stop = TRY(ptracer::WaitAny());
    if (!stop) continue;
    Task* task = Find(stop->pid);
    if (task == nullptr) task = &NewTask(stop->pid);
    if (stop->status.gone()) {
      if (task == first_) first_ = nullptr;
      tasks_.erase(stop->pid);
      continue;
    }
    Status passed = PassOn(*task, stop->status);
    if (!passed.ok() && !IsGone(passed.error())) return passed;
  }
  return {};
}

bool Supervisor::MakeFirstExit(int status) {
  if (first_->process == nullptr || first_exit_seen_) return false;
  pid_t pid = first_->pid;
  Registers registers;
  if (!ptracer::GetRegisters(pid, registers).ok()) {
    // Not in a stop: an interrupt brings it to one.
    if (!ptracer::Interrupt(pid).ok()) return false;
    auto waited = ptracer::WaitOne(pid, kEndBound);
    if (!waited.ok() || !*waited || (*waited)->gone()) return false;
  }
  // Inside a call (at a fork's event, say) registers can't be set for good: go on to its exit stop.
  if (first_->phase == Task::Phase::kInCall || first_->phase == Task::Phase::kExec) {
    if (!ptracer::Resume(pid, ResumeKind::kToSyscall).ok()) return false;
    auto waited = ptracer::WaitOne(pid, kEndBound);
    if (!waited.ok() || !*waited || (*waited)->gone()) return false;
  }
  if (!ptracer::GetRegisters(pid, registers).ok()) return false;
  uint64_t args[6] = {static_cast<uint64_t>(status), 0, 0, 0, 0, 0};
  machine::SuppressCall(registers);
  machine::ForgetSyscall(registers);
  machine::SetCall(registers, static_cast<uint64_t>(HostArch().NumberOf(Sys::exit_group)), args);
  SetPc(registers, kStubAddress + machine::Stub().syscall_entry);
  return ptracer::SetSigmask(pid, ~uint64_t{0}).ok() &&
         ptracer::SetRegisters(pid, registers).ok() &&
         ptracer::Resume(pid, ResumeKind::kContinue).ok();
}

void Supervisor::EndTree(int status, const std::function<void()>& before_exit) {
  for (auto& [pid, task] : tasks_) {
    // A thread goes with its process; a signal to it would end that with the signal's status.
    if (task.get() != first_ && !task->is_thread()) kill(pid, SIGKILL);
  }
  before_exit();
  if (first_is_zombie_) {
    ReapFirst();
  } else if (first_ != nullptr && !MakeFirstExit(status)) {
    // It is past its last call, or can't be steered: on to its end.
    if (!first_exit_seen_) kill(first_->pid, SIGKILL);
    (void)ptracer::Resume(first_->pid, ResumeKind::kContinue);
  }
  // All on to their ends, through whatever stops lie on the way.
  int64_t deadline = MonotonicMilliseconds() + 2 * kEndBound;
  bool killed = false;
  while (!tasks_.empty()) {
    bool progress = false;
    for (auto it = tasks_.begin(); it != tasks_.end();) {
      auto waited = ptracer::WaitOne(it->first, 0);
      bool gone = !waited.ok() || (*waited && (*waited)->gone());
      if (waited.ok() && *waited && !gone) (void)ptracer::Resume(it->first, ResumeKind::kContinue);
      progress = progress || gone || (waited.ok() && *waited);
      it = gone ? tasks_.erase(it) : std::next(it);
    }
    if (progress) continue;
    if (MonotonicMilliseconds() > deadline) {
      if (killed) break;  // EXITKILL has the last word
      for (auto& [pid, task] : tasks_) kill(pid, SIGKILL);
      killed = true;
      deadline += kEndBound;
    }
    Nap(200'000);
  }
  tasks_.clear();
  first_ = nullptr;
}

}  // namespace retake
