// Launch: how a program comes under a supervisor.
//
// The calling process becomes the program. It forks a supervisor that is an orphan (so the program
// doesn't have a child it never made) in a session of its own (so the terminal's signals pass it
// by), waits to be seized by it, pins itself to the supervisor's CPU, arms traps, installs the
// filter and execs. The program so keeps pid, parent, process group, terminal and exit status, and
// its parent sees nothing of the supervisor.
#ifndef RETAKE_SUPERVISOR_LAUNCH_H_
#define RETAKE_SUPERVISOR_LAUNCH_H_

#include <linux/filter.h>
#include <sched.h>
#include <sys/types.h>

#include <functional>
#include <string>
#include <vector>

#include "base/result.h"

namespace retake {

struct Launch {
  std::vector<std::string> command;
  std::vector<sock_filter> filter;
  std::vector<sock_filter> filter_when_filtered;  // instead of it where an outer filter is in force
  uint32_t filter_flags = 0;
};

struct LaunchedProgram {
  pid_t pid = 0;              // not yet at its exec
  int cpu = -1;               // where it and the supervisor's thread are pinned; -1: nowhere
  cpu_set_t affinity;         // what it was before
  bool filtered = false;      // an outer seccomp filter is in force
  bool no_new_privs = false;  // it is set already
};

// Runs `prepare` and then `supervise` in the supervisor's process; `prepare` seizes the program
// (Supervisor::SeizeFirst) before it is let go, and its error is printed and given up on by the
// calling process. Returns only
// in the calling process, if the program wasn't started: with its exit status (125, 126, 127), the
// reason printed on stderr.
int LaunchProgram(const Launch& launch,
                  const std::function<Status(const LaunchedProgram&)>& prepare,
                  const std::function<void(const LaunchedProgram&)>& supervise);

}  // namespace retake

#endif  // RETAKE_SUPERVISOR_LAUNCH_H_
