#include "snapshot/posix_timers.h"

#include <signal.h>

#include <cstdio>
#include <cstring>

#include "tracee/proc_files.h"

namespace retake {
namespace {

// <linux/posix-timers_types.h>: the CPU time of the process, and of the thread, that asked. Other
// negative ones are clocks of devices, or of other tasks.
constexpr int kProcessCpu = -6;
constexpr int kThreadCpu = -2;

bool IsOwnClock(int clock, pid_t pid) {
  // Which thread it was isn't told.
  return clock >= 0 || clock == kProcessCpu || (clock == kThreadCpu && TasksOf(pid).size() == 1);
}

}  // namespace

// fs/proc/base.c, show_timer:
//   ID: 0
//   signal: 14/00007ffc1c2ab6d0
//   notify: signal/pid.1234
//   ClockID: 1
std::vector<PosixTimer> ReadPosixTimers(pid_t pid, Losses& losses) {
  std::vector<PosixTimer> timers;
  auto text = ReadProcFile(pid, "timers");
  // A kernel without CONFIG_CHECKPOINT_RESTORE doesn't tell.
  if (!text.ok()) {
    losses.push_back({.pid = pid,
                      .kind = "timer",
                      .what = "whether it has timers made by timer_create can't be read",
                      .nature = LossNature::kPossible});
    return timers;
  }
  for (const char* at = text->c_str(); (at = strstr(at, "ID: ")) != nullptr; ++at) {
    PosixTimer timer;
    char how[16], whom[4];
    unsigned long long value = 0;
    int matched = sscanf(at, "ID: %d\nsignal: %d/%llx\nnotify: %15[a-z]/%3[a-z].%d\nClockID: %d",
                         &timer.id, &timer.signal, &value, how, whom, &timer.tid, &timer.clock);
    constexpr int kAll = 7;
    if (matched == 1) continue;  // "ClockID: 1"
    bool known = matched == kAll && (strcmp(how, "signal") == 0 || strcmp(how, "none") == 0);
    if (!known || !IsOwnClock(timer.clock, pid)) {
      losses.push_back(
          {.pid = pid,
           .kind = "timer",
           .what = fmt::format("its timer {} is of a kind that isn't kept", timer.id)});
      continue;
    }
    timer.value = value;
    timer.notify = strcmp(how, "none") == 0   ? SIGEV_NONE
                   : strcmp(whom, "tid") == 0 ? SIGEV_THREAD_ID
                                              : SIGEV_SIGNAL;
    timers.push_back(timer);
  }
  return timers;
}

}  // namespace retake
