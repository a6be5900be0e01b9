// R06: an ignored signal during a call that blocks: the kernel restarts the call by itself and the
// program never knows (restart_syscall for sleeps).
#include <poll.h>
#include <time.h>

#include "guest.h"

int main() {
  signal(SIGUSR1, SIG_IGN);
  signal(SIGCHLD, SIG_DFL);
  int ends[2];
  CHECK(pipe(ends) == 0);
  auto poke = [&](int fd) {
    return Child([=] {
      for (int i = 0; i < 3; ++i) {
        AwaitSleep(getppid());
        kill(getppid(), SIGUSR1);
        kill(getppid(), SIGWINCH);
        kill(getppid(), SIGCONT);
      }
      AwaitSleep(getppid());
      if (fd >= 0) CHECK(write(fd, "d", 1) == 1);
    });
  };
  char byte;
  pid_t pid = poke(ends[1]);
  Say("read %zd", read(ends[0], &byte, 1));
  CHECK(WaitFor(pid) == 0);
  pid = poke(-1);
  timespec request = {0, 150'000'000}, left = {9, 9};
  Say("nanosleep %d", nanosleep(&request, &left));
  CHECK(WaitFor(pid) == 0);
  pid = poke(-1);
  pollfd wait_for = {ends[0], POLLIN, 0};
  Say("poll %d", poll(&wait_for, 1, 150));
  CHECK(WaitFor(pid) == 0);
  pid = Child([] { usleep(50'000); });
  Child([] { usleep(10'000); });
  int status;
  Say("waited through another's end: %d", waitpid(pid, &status, 0) == pid);
  CHECK(wait(&status) > 0);
}
