// Tasks that compute for long: seen at the supervisor's ticks.
//
// A finite computation needs no stop, so it is given time. A task that spins until another one has
// written has to be stopped, since that one waits for its turn; and so has one that a signal waits
// for. Where a task can be stopped so that a replay finds the place is the sink's business
// (fixpoints and state marks, DESIGN 7).
#include <algorithm>

#include "base/clock.h"
#include "supervisor/supervisor.h"
#include "tracee/remote_calls.h"

namespace retake {
namespace {

// When a task that has had the turn for so long (ms) without an event is looked at, and how many
// single steps the look may take (3 to 13 us each, 150 where the machine is emulated). Plain spin
// locks show within a few hundred steps, back-off within 20,000.
//
// The first is taken in every turn, the others as the budget allows.
struct Look {
  int64_t after;
  uint32_t steps;
};
constexpr Look kLooks[] = {{4, 400}, {10, 4'000}, {20, 20'000}};
static_assert(std::size(kLooks) == 1 + LookBudget::kKinds);
// No look takes longer, where a step's cost is known: others wait meanwhile.
constexpr int64_t kLongestLook = 250'000'000;  // ns
constexpr uint32_t kFewestSteps = 400;
// Where spinning has been seen before, the first look comes sooner.
constexpr int64_t kKnownSpin = 2;  // ms
// Where steps are dear, a task first computes for a sixth of what the look will take; where
// spinning has been seen, for a twelfth. What a step costs is told by looks that take long (ns):
// what a look costs besides is less than theirs.
constexpr int64_t kLookPart = 6;
constexpr int64_t kKnownSpinPart = 12;
constexpr int64_t kTellingLook = 4'000 * 3'000;  // ns
// Then it computes; it is stopped wherever it is, so that others have their turn. While it does
// nothing else, its turns get longer: 20, 40, 80, 160 ms.
constexpr int64_t kFairness = 20;  // ms
constexpr int kMostDoublings = 3;
// Where marks are dear, it computes for so many times what the last one took.
constexpr int64_t kMarkPart = 5;

// ms: how long tasks spin, with nobody writing what they wait for, until that is said.
constexpr int64_t kLivelock = 5'000;

constexpr int kStopBound = 1'000;  // ms: how long a running task may take to stop

// A task that has gone meanwhile is no failure: its end is seen by itself.
Status UnlessGone(Status status) {
  return status.ok() || !IsGone(status.error()) ? std::move(status) : Status();
}

}  // namespace

Status Supervisor::CheckComputing(Task& task) {
  ShareGroup& group = *task.group;
  if (group.holder != &task || task.phase != Task::Phase::kUser || group.waiting.empty()) return {};
  int64_t now = MonotonicMilliseconds();
  int64_t computed = now - group.turn_began;
  auto look = static_cast<size_t>(task.looks);
  if (look < std::size(kLooks)) {
    uint32_t steps = kLooks[look].steps;
    if (steps * step_cost_ > kLongestLook)
      steps = std::max(kFewestSteps, static_cast<uint32_t>(kLongestLook / step_cost_));
    int64_t takes = steps * step_cost_ / 1'000'000;
    int64_t after = look == 0 && group.spins ? std::max(kKnownSpin, takes / kKnownSpinPart)
                                             : std::max(kLooks[look].after, takes / kLookPart);
    if (computed < after) return {};
    ++task.looks;
    if (look == 0) return Preempt(task, steps);
    if (!group.look_budget.MayTake(look - 1, now * 1'000'000)) return {};
    return Preempt(task, steps, look - 1);
  }
  int64_t fair = kFairness << std::min(task.preempted, kMostDoublings);
  if (computed < fair || now < task.preempt_after) return {};
  return Preempt(task, 0);
}

Status Supervisor::Preempt(Task& task, uint32_t spin_steps, std::optional<size_t> look_kind) {
  if (Status interrupted = ptracer::Interrupt(task.pid); !interrupted.ok())
    return UnlessGone(std::move(interrupted));
  Result<std::optional<WaitStatus>> waited = ptracer::WaitOne(task.pid, kStopBound);
  if (!waited.ok()) return UnlessGone(waited.TakeError());
  // In the middle of a page fault that takes its time: its stop comes by itself.
  if (!*waited) return {};
  WaitStatus stop = **waited;
  // Something else came first; the interrupt's stop follows, and means nothing then.
  if (stop.kind() != StopKind::kEventStop) {
    task.trap_pending = true;
    return Arrive(task, stop);
  }
  task.trap_pending = false;
  Registers registers;
  if (Status got = ptracer::GetRegisters(task.pid, registers); !got.ok())
    return UnlessGone(std::move(got));
  bool in_call = static_cast<int64_t>(machine::SyscallNumber(registers)) >= 0;
  if (in_call || task.phase != Task::Phase::kUser) return Arrive(task, stop);

  // It has executed nothing since its last event, and a signal is on its way: one that it has sent
  // itself comes before anything else that it does.
  if (machine::Comparable(registers) == machine::Comparable(task.last) && PendingOf(task).others)
    return UnlessGone(Continue(task.pid));

  ShareGroup& group = *task.group;
  int64_t begin_ns = MonotonicNanoseconds();
  Result<Preemption> preempted = sink_.Preempt(task, spin_steps);
  if (!preempted.ok()) return UnlessGone(preempted.TakeError());
  int64_t end_ns = MonotonicNanoseconds();
  int64_t begin = begin_ns / 1'000'000;
  int64_t end = end_ns / 1'000'000;
  if (spin_steps > 0 && end_ns - begin_ns >= kTellingLook &&
      preempted->kind == Preemption::Kind::kNotNow) {
    // A look that came to a call took fewer: so the dearest counts, and is forgotten in time.
    step_cost_ = std::max((end_ns - begin_ns) / spin_steps, step_cost_ * 7 / 8);
  }
  if (look_kind && preempted->kind == Preemption::Kind::kNotNow)
    group.look_budget.Spend(*look_kind, begin_ns, end_ns);
  switch (preempted->kind) {
    case Preemption::Kind::kStopped:
      task.trap_pending = preempted->trap_pending;
      return Arrive(task, preempted->status);
    case Preemption::Kind::kNotNow:
      return UnlessGone(Continue(task.pid));
    case Preemption::Kind::kParked:
      group.spins = true;
      group.look_budget.Refill();
      NoteChange(group);
      break;
    case Preemption::Kind::kStillParked:
      SetIdle(task, true);
      NoteSpin(task, end);
      break;
    case Preemption::Kind::kDone:
      // Taking the mark may have been dear.
      task.preempt_after = end + kMarkPart * (end - begin);
      if (task.held.empty()) ++task.preempted;
      NoteChange(group);
      break;
  }
  task.last = preempted->registers;
  if (!task.held.empty() && !task.requeued) Requeue(task);
  if (group.members == 1 || !task.held.empty()) {
    // The signal finds it at a boundary now.
    return UnlessGone(Continue(task.pid));
  }
  task.computed_for = end - group.turn_began;
  Wait(task, Task::Wants::kRun);
  group.holder = nullptr;
  return Dispatch(group);
}

void Supervisor::SetIdle(Task& task, bool idle) {
  if (task.idle == idle) return;
  task.idle = idle;
  task.group->idlers += idle ? 1 : -1;
}

void Supervisor::WakeIdlers(ShareGroup& group) {
  if (group.idlers == 0) return;
  for (Task* task : group.waiting) SetIdle(*task, false);
}

void Supervisor::NoteChange(ShareGroup& group) {
  group.idle_since = 0;
  WakeIdlers(group);
}

// Tasks that wait for the turn have had it meanwhile, and did nothing else either.
void Supervisor::NoteSpin(Task& task, int64_t now) {
  ShareGroup& group = *task.group;
  if (group.idle_since == 0) group.idle_since = now;
  if (group.told_livelock || now - group.idle_since < kLivelock) return;
  group.told_livelock = true;
  std::vector<Task*> tasks(group.waiting.begin(), group.waiting.end());
  tasks.push_back(&task);
  sink_.OnLivelock(tasks, now - group.idle_since);
}

}  // namespace retake
