// The timers that a process has made by timer_create(2), as /proc/PID/timers tells of them.
#ifndef RETAKE_SNAPSHOT_POSIX_TIMERS_H_
#define RETAKE_SNAPSHOT_POSIX_TIMERS_H_

#include <sys/types.h>

#include <vector>

#include "snapshot/checkpoint_image.h"
#include "snapshot/loss.h"

namespace retake {

// Without when they expire, which only the process can tell. Those that can't be made again are
// added to `losses` instead.
std::vector<PosixTimer> ReadPosixTimers(pid_t pid, Losses& losses);

}  // namespace retake

#endif  // RETAKE_SNAPSHOT_POSIX_TIMERS_H_
