// Turns: which task of a share-group runs. User code of tasks that share memory runs one at a time,
// so that a replay, which knows no other order than that of events, gives each the memory that it
// saw.
//
// The holder of the turn keeps it from event to event for a slice, unless it gives it up: in a call
// that may block, by sched_yield, at its end. A task whose stop comes while another holds the turn
// waits stopped. Groups of one task never wait for anything here.
#include <sched.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>

#include "base/clock.h"
#include "supervisor/supervisor.h"
#include "syscalls/table.h"
#include "tracee/proc_files.h"

namespace retake {
namespace {

constexpr int64_t kSlice = 3;  // ms: how long a task that makes calls keeps the turn at least

// A call that the table says doesn't block, and that sleeps after this time.
constexpr int64_t kCallBound = 100;  // ms

// How often a call that may block is given a chance to return before another task has its turn. The
// tracer and its tasks are on one CPU, so each time the task runs until it returns or sleeps, or
// for a tick.
constexpr int kQuickLooks = 2;
// ... where it runs beside the tracer.
constexpr int kRemoteLooks = 20;

// ms: between looks at tasks that compute while others wait, and at where groups run.
constexpr int kQuickTick = 2;
constexpr int kSlowTick = 20;

constexpr int kEndBound = 10'000;  // ms: how long a task may take to sleep, or to end

void Nap() {
  timespec nap{0, 20'000};
  nanosleep(&nap, nullptr);
}

// Whether a holder gives up its turn as soon as another task wants it: it waits in a call, which
// doesn't touch memory until the turn is its again.
bool IsSoft(const Task& task) { return task.in_call() && task.may_block; }

// ms: how long a task that makes calls keeps the turn while these wait for it. One that computes is
// stopped only after a long time, which the other may then have as well.
int64_t SliceBefore(const std::deque<Task*>& waiting) {
  auto next = std::ranges::find(waiting, false, &Task::idle);
  return next == waiting.end() ? kSlice : std::max(kSlice, (*next)->computed_for);
}

}  // namespace

void Supervisor::JoinGroup(Task& task, const std::shared_ptr<ShareGroup>& group) {
  task.group = group;
  if (group->members++ == 0) group->holder = &task;
}

void Supervisor::LeaveGroup(Task& task) {
  if (task.group == nullptr) return;
  ShareGroup& group = *task.group;
  --group.members;
  if (std::exchange(task.vforking, false)) --group.vforking;
  std::erase(group.stragglers, &task);
  SetIdle(task, false);
  if (group.holder == &task) group.holder = nullptr;
  std::erase(group.waiting, &task);
  std::erase(group.suspended, &task);
  task.wants = Task::Wants::kNothing;
  task.group = nullptr;
}

void Supervisor::Wait(Task& task, Task::Wants wants, bool first) {
  bool waits_already = std::exchange(task.wants, wants) != Task::Wants::kNothing;
  if (waits_already) return;
  if (task.suspended_by != 0) {
    task.group->suspended.push_back(&task);
  } else if (first) {
    task.group->waiting.push_front(&task);
  } else {
    task.group->waiting.push_back(&task);
  }
}

Result<bool> Supervisor::Share(Task& task, Task& other) {
  if (task.group == other.group) return false;
  std::shared_ptr<ShareGroup> into = task.group;
  std::shared_ptr<ShareGroup> from = other.group;
  if (Task* holder = std::exchange(from->holder, nullptr); holder != nullptr) {
    bool in_call = holder->phase == Task::Phase::kInCall;
    if (in_call && (holder->may_block || sink_.IsInCallThatBlocks(*holder))) {
      holder->may_block = true;
      TRY(sink_.OnCallEntered(*holder));
    } else if (!IsSoft(*holder)) {
      into->stragglers.push_back(holder);
    }
  }
  // All on one CPU: they never run at the same time.
  if (!from->movable) PlaceGroup(*into, from->cpu);
  into->movable = into->movable && from->movable;
  PlaceGroup(*from, into->cpu);
  for (auto& [pid, member] : tasks_) {
    if (member->group != from) continue;
    member->group = into;
    ++into->members;
  }
  into->vforking += std::exchange(from->vforking, 0);
  into->waiting.insert(into->waiting.end(), from->waiting.begin(), from->waiting.end());
  into->stragglers.insert(into->stragglers.end(), from->stragglers.begin(), from->stragglers.end());
  into->suspended.insert(into->suspended.end(), from->suspended.begin(), from->suspended.end());
  from->members = 0;
  from->waiting.clear();
  from->stragglers.clear();
  from->suspended.clear();
  return true;
}

void Supervisor::DropWaiting(const Task& ending) {
  // Each reports its end by a stop of its own. To let it go from the stop that it waits with would
  // let it go from that one, unseen.
  auto dies = [&](const Task* task) { return task != &ending && task->leader == ending.leader; };
  auto drop = [&](auto& tasks) {
    for (Task* task : tasks) {
      if (dies(task)) task->wants = Task::Wants::kNothing;
    }
    std::erase_if(tasks, dies);
  };
  drop(ending.group->waiting);
  drop(ending.group->suspended);
}

Result<bool> Supervisor::NeedsTurn(Task& task, WaitStatus status) {
  const ShareGroup& group = *task.group;
  if (group.holder == &task || group.members == 1) return false;
  bool in_call = task.in_call();
  switch (status.kind()) {
    case StopKind::kExited:
    case StopKind::kKilled:
    case StopKind::kExec:
    case StopKind::kVforkDone:
    case StopKind::kGroupStop:
      return false;
    case StopKind::kEventStop:
      return !in_call;
    case StopKind::kSyscall:
    case StopKind::kSeccomp: {
      // The kernel interrupts and restarts a call with nobody the wiser.
      if (!in_call) return true;
      Registers registers;
      TRY(ptracer::GetRegisters(task.pid, registers));
      if (task.phase == Task::Phase::kInterrupted)
        return !task.may_block || !machine::IsReentryOf(task.made, registers);
      return !machine::IsRestart(machine::ResultOf(registers));
    }
    case StopKind::kSignal:
      return task.signals->FateOf(status.signal()) == SignalFate::kHandled;
    case StopKind::kExiting:
      // A thread that execs ends all others first.
      return group.holder == nullptr || MapEffectOf(RowOf(group.holder->sys)) != MapEffect::kExec;
    case StopKind::kNewTask:
      return true;
  }
  return true;
}

Status Supervisor::Arrive(Task& task, WaitStatus status) {
  std::shared_ptr<ShareGroup> group = task.group;
  ++group->stops;
  ++group->arrivals;
  task.listens = false;
  Result<bool> waits = NeedsTurn(task, status);
  Status handled;
  if (!waits.ok()) {
    handled = waits.TakeError();
  } else if (*waits) {
    // What a straggler has done belongs before what anybody does who shares its memory from now on.
    bool straggled = std::erase(group->stragglers, &task) > 0;
    task.stop = status;
    Wait(task, Task::Wants::kStop, straggled);
  } else {
    NoteChange(*group);
    handled = Handle(task, status);
  }
  // A task that was killed meanwhile is no failure: its end is reported by a later wait.
  if (!handled.ok() && !IsGone(handled.error())) return handled;
  return group->waiting.empty() ? Status() : Dispatch(*group);
}

Status Supervisor::Dispatch(ShareGroup& group) {
  while (!group.waiting.empty()) {
    bool busy = !group.stragglers.empty() || (group.holder != nullptr && !IsSoft(*group.holder));
    if (busy) {
      if (!crowded_) {
        crowded_ = true;
        SetTicking();
      }
      return {};
    }
    auto ready = std::find_if(group.waiting.begin(), group.waiting.end(),
                              [](const Task* task) { return !task->idle; });
    if (ready == group.waiting.end()) return {};
    if (group.holder != nullptr) {
      TRY(sink_.OnCallEntered(*group.holder));
      group.holder = nullptr;
    }
    Task& next = **ready;
    group.waiting.erase(ready);
    Status taken = TakeTurn(next);
    if (!taken.ok() && !IsGone(taken.error())) return taken;
  }
  return {};
}

Status Supervisor::TakeTurn(Task& task) {
  task.group->holder = &task;
  task.group->turn_began = MonotonicMilliseconds();
  task.looks = 0;
  task.computed_for = 0;
  Task::Wants wants = std::exchange(task.wants, Task::Wants::kNothing);
  // It may have been killed since.
  if (auto newer = TRY(ptracer::WaitOne(task.pid, 0))) return Handle(task, *newer);
  if (wants != Task::Wants::kRun) {
    task.preempted = 0;
    NoteChange(*task.group);
  }
  switch (wants) {
    case Task::Wants::kRun:
      return Continue(task.pid);
    case Task::Wants::kStop:
      return Handle(task, task.stop);
    case Task::Wants::kDecide:
      return Decide(task, task.filter_data);
    case Task::Wants::kNothing:
      break;
  }
  return {};
}

Status Supervisor::RunUser(Task& task, bool yield) {
  ShareGroup& group = *task.group;
  if (!group.waiting.empty() &&
      (yield || MonotonicMilliseconds() - group.turn_began >= SliceBefore(group.waiting))) {
    Wait(task, Task::Wants::kRun);
    group.holder = nullptr;
    return {};
  }
  return Continue(task.pid);
}

Status Supervisor::AwaitQuickReturn(Task& task) {
  int looks = task.group->cpu == options_.cpu ? kQuickLooks : kRemoteLooks;
  for (int look = 0; look < looks && !task.group->waiting.empty(); ++look) {
    sched_yield();
    auto stop = TRY(ptracer::WaitOne(task.pid, 0));
    if (stop) return Handle(task, *stop);
  }
  return {};
}

Status Supervisor::GiveUpTurnStopped(Task& task) {
  // The process counts as stopped once each of its tasks takes part, and those that wait for the
  // turn do when they are let go. Between events, nobody can tell that it was given up; nor before
  // a call is made again that was interrupted.
  ShareGroup& group = *task.group;
  if (group.holder != &task || group.members == 1) return {};
  bool between_events = task.phase == Task::Phase::kInterrupted;
  if (task.phase == Task::Phase::kUser) {
    Registers registers;
    TRY(ptracer::GetRegisters(task.pid, registers));
    between_events = machine::Comparable(registers) == machine::Comparable(task.last);
  }
  if (between_events && !IsSoft(task)) group.holder = nullptr;
  return {};
}

Status Supervisor::AwaitSleep(Task& task) {
  int64_t deadline = MonotonicMilliseconds() + kEndBound;
  while (MonotonicMilliseconds() < deadline) {
    sched_yield();
    auto stop = TRY(ptracer::WaitOne(task.pid, 0));
    if (stop) return Handle(task, *stop);
    if (StateOf(task.pid) == 'S') return {};
  }
  return Error(ETIMEDOUT, "a task neither sleeps in its call nor returns from it", task.pid);
}

Status Supervisor::AwaitZombie(Task& task) {
  int64_t deadline = MonotonicMilliseconds() + kEndBound;
  for (;;) {
    char state = StateOf(task.pid);
    if (state == 'Z' || state == 'X') break;
    ShareGroup& group = *task.group;
    // Its place may be taken by a thread that execs.
    if (group.holder != &task) return {};
    if (MonotonicMilliseconds() > deadline)
      return Error(ETIMEDOUT, "a leader doesn't end after its last call", task.pid);
    Nap();
  }
  return HandleZombie(task);
}

Status Supervisor::HandleZombie(Task& task) {
  task.phase = Task::Phase::kExiting;
  task.is_zombie = true;
  TRY(sink_.OnReleased(task));
  if (task.group->holder == &task) task.group->holder = nullptr;
  return {};
}

Status Supervisor::CheckTurns() {
  int64_t now = MonotonicMilliseconds();
  std::vector<std::shared_ptr<ShareGroup>> late;
  std::vector<pid_t> computing;
  bool crowded = false;
  for (auto& [pid, task] : tasks_) {
    ShareGroup& group = *task->group;
    if (group.idlers > 0) {
      // Let them look for signals.
      WakeIdlers(group);
      late.push_back(task->group);
      crowded = true;
    }
    bool straggles = std::count(group.stragglers.begin(), group.stragglers.end(), task.get()) > 0;
    if (group.waiting.empty() || (group.holder != task.get() && !straggles)) continue;
    crowded = true;
    if (!task->is_thread() && StateOf(pid) == 'Z') {
      // Killed at the very moment at which it was let go from another stop.
      TRY(HandleZombie(*task));
      late.push_back(task->group);
      continue;
    }
    if (task->phase == Task::Phase::kUser && !straggles) computing.push_back(pid);
    if (task->phase != Task::Phase::kInCall) continue;
    if (task->call_noticed == 0) {
      task->call_noticed = now;
    } else if (now - task->call_noticed > kCallBound && StateOf(pid) == 'S') {
      // It blocks after all, perhaps waiting for one of those that wait for it. (One that only has
      // no CPU, or waits for a disk, does not: it would write memory while others run.)
      task->may_block = true;
      if (std::erase(group.stragglers, task.get()) > 0) TRY(sink_.OnCallEntered(*task));
      late.push_back(task->group);
    }
  }
  for (const auto& group : late) TRY(Dispatch(*group));
  for (pid_t pid : computing) {
    if (Task* task = Find(pid); task != nullptr) TRY(CheckComputing(*task));
  }
  if (crowded != crowded_) {
    crowded_ = crowded;
    SetTicking();
  }
  return {};
}

void Supervisor::AwaitHeirs(const Task& ended) const {
  int64_t deadline = MonotonicMilliseconds() + kEndBound;
  for (const auto& [pid, task] : tasks_) {
    if (task.get() == &ended || task->group != ended.group) continue;
    if (task->phase != Task::Phase::kInCall || !task->settles) continue;
    auto is_on_its_way = [pid = pid] {
      char state = StateOf(pid);
      return state == 'R' || state == 'D';
    };
    while (is_on_its_way() && MonotonicMilliseconds() < deadline) sched_yield();
  }
}

// --- Placement ----------------------------------------------------------------------------------

std::vector<ShareGroup*> Supervisor::Groups(const ShareGroup* without) const {
  std::vector<ShareGroup*> groups;
  for (const auto& [pid, task] : tasks_) {
    ShareGroup* group = task->group.get();
    if (group == without || std::count(groups.begin(), groups.end(), group) > 0) continue;
    groups.push_back(group);
  }
  return groups;
}

void Supervisor::PlaceGroup(ShareGroup& group, int cpu) {
  if (group.cpu == cpu) return;
  group.cpu = cpu;
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(static_cast<size_t>(cpu), &one);
  for (const auto& [pid, task] : tasks_) {
    // A task that has ended meanwhile needs no place.
    if (task->group.get() == &group) (void)sched_setaffinity(pid, sizeof one, &one);
  }
}

void Supervisor::NoteSeveral() {
  if (several_ || !placement_.has_choice()) return;
  several_ = true;
  SetTicking();
}

void Supervisor::CheckPlacement() {
  std::vector<ShareGroup*> groups = Groups();
  for (const Placement::Move& move : placement_.Balance(groups)) PlaceGroup(*move.group, move.cpu);
  for (ShareGroup* group : groups) group->stops = 0;
  if (groups.size() < 2) {
    several_ = false;
    SetTicking();
  }
}

Status Supervisor::Tick() {
  // Asked at every stop: cheaply, where that is exact enough.
  if (tick_ms_ >= kSlowTick && MonotonicCoarseNanoseconds() / 1'000'000 - last_tick_ < tick_ms_)
    return {};
  int64_t now = MonotonicMilliseconds();
  if (now - last_tick_ < tick_ms_) return {};
  last_tick_ = now;
  if (held_tasks_ > 0) TRY(CheckHeldSignals());
  if (crowded_) TRY(CheckTurns());
  if (several_) CheckPlacement();
  return CheckStuck(now);
}

void Supervisor::SetTicking() {
  int wanted = static_cast<int>(options_.hang_bound_ms / kWatchesInBound);
  if (several_) wanted = kSlowTick;
  if (crowded_ || held_tasks_ > 0) wanted = kQuickTick;
  if (wanted == tick_ms_) return;
  tick_ms_ = wanted;
  itimerval timer{};
  timer.it_interval = timer.it_value = {wanted / 1'000, wanted % 1'000 * 1'000};
  setitimer(ITIMER_REAL, &timer, nullptr);
}

}  // namespace retake
