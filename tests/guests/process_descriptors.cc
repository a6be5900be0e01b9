// R04: pidfds: opened, polled, signalled through.
#include <poll.h>
#include <sys/syscall.h>

#include "guest.h"

int main() {
  pid_t pid = Child([] {
    for (;;) pause();
  });
  int fd = static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
  CHECK(fd >= 0);
  pollfd wait_for = {fd, POLLIN, 0};
  Say("alive: poll says %d", poll(&wait_for, 1, 0));
  CHECK(syscall(SYS_pidfd_send_signal, fd, SIGTERM, nullptr, 0) == 0);
  CHECK(poll(&wait_for, 1, 10'000) == 1);
  siginfo_t info = {};
  CHECK(waitid(P_PIDFD, fd, &info, WEXITED) == 0);
  Say("code %d status %d", info.si_code, info.si_status);
  CHECK(syscall(SYS_pidfd_send_signal, fd, 0, nullptr, 0) == -1);
  Say("gone: errno %d", errno);
}
