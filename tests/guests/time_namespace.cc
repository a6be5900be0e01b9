// R07: who enters another time namespace sees its clocks, a process that asked before too.
#include <fcntl.h>
#include <sched.h>
#include <sys/wait.h>
#include <time.h>

#include "guest.h"

constexpr long kAhead = 1'000'000'000;  // s

static bool IsAhead() {
  timespec now = {};
  CHECK(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
  return now.tv_sec >= kAhead;
}

static bool MakeNamespace() {
  if (unshare(CLONE_NEWUSER | CLONE_NEWTIME) != 0) return false;
  char offset[64];
  int size = snprintf(offset, sizeof offset, "monotonic %ld 0\n", kAhead);
  int fd = open("/proc/self/timens_offsets", O_WRONLY);
  bool written = fd >= 0 && write(fd, offset, static_cast<size_t>(size)) == size;
  close(fd);
  return written;
}

int main() {
  Say("ahead %d", IsAhead());
  if (!MakeNamespace()) {
    Say("no time namespace may be made here");
    return 0;
  }
  Say("in the namespace of its children: ahead %d", IsAhead());
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    Say("child: ahead %d", IsAhead());
    return 0;
  }
  CHECK(waitpid(child, nullptr, 0) == child);
  int space = open("/proc/self/ns/time_for_children", O_RDONLY | O_CLOEXEC);
  bool entered = setns(space, CLONE_NEWTIME) == 0;
  Say("entered %d: ahead %d", entered, IsAhead());
}
