// The watchdog: finds tasks that we have stopped and have forgotten to let go. That would be a
// defect of ours; it is reported, with what each task is at, instead of never coming to an end.
//
// A group can't be in that state if one of its tasks runs or sleeps in the kernel, has been stopped
// by a signal for its own reasons, or waits for what a task of another group does (on_hold_).
#include <utility>

#include "base/clock.h"
#include "supervisor/supervisor.h"
#include "syscalls/table.h"
#include "tracee/proc_files.h"

namespace retake {
namespace {

std::string_view NameOf(Task::Phase phase) {
  switch (phase) {
    case Task::Phase::kStarting:
      return "starting";
    case Task::Phase::kUser:
      return "in the program's code";
    case Task::Phase::kInCall:
      return "in a call";
    case Task::Phase::kAnswered:
      return "in a call that was answered";
    case Task::Phase::kExec:
      return "in an exec";
    case Task::Phase::kInterrupted:
      return "in an interrupted call";
    case Task::Phase::kExiting:
      return "ending";
  }
  return "?";
}

std::string_view NameOf(Task::Wants wants) {
  switch (wants) {
    case Task::Wants::kNothing:
      return "";
    case Task::Wants::kRun:
      return ", waits for its turn to run";
    case Task::Wants::kStop:
      return ", waits for its turn with a stop";
    case Task::Wants::kDecide:
      return ", waits for its turn to make a call";
  }
  return "?";
}

}  // namespace

bool Supervisor::IsStuck(const ShareGroup& group) const {
  bool stopped = false;
  for (const auto& [pid, task] : tasks_) {
    if (task->group.get() != &group || task->is_zombie) continue;
    if (task->listens || on_hold_.contains(pid) || task.get() == first_held_) return false;
    if (StateOf(pid) != 't') return false;
    stopped = true;
  }
  return stopped;
}

std::string Supervisor::DescribeTasks() const {
  std::string text;
  for (const auto& [pid, task] : tasks_) {
    char state = StateOf(pid);
    text += fmt::format("task {}: {}{}{}{}, state {}\n", pid, NameOf(task->phase),
                        task->sys != Sys::kNone ? fmt::format(" ({})", SysName(task->sys)) : "",
                        NameOf(task->wants),
                        task->group && task->group->holder == task.get() ? ", has the turn" : "",
                        state != 0 ? state : '?');
  }
  return text;
}

Status Supervisor::CheckStuck(int64_t now) {
  if (now - last_watch_ < options_.hang_bound_ms / kWatchesInBound) return {};
  last_watch_ = now;
  for (ShareGroup* group : Groups()) {
    bool quiet = std::exchange(group->arrivals_watched, group->arrivals) == group->arrivals;
    // Once is not enough: where we were ourselves stopped for a while, stops lie there to be heard.
    group->stuck_watches = quiet && IsStuck(*group) ? group->stuck_watches + 1 : 0;
    if (group->stuck_watches > kWatchesInBound) {
      return Error(0, fmt::format("{}tasks that retake has stopped would never go on: a defect of "
                                  "retake",
                                  DescribeTasks()));
    }
  }
  return {};
}

}  // namespace retake
