// R04: a child told of its parent's death by a signal, and a subreaper that inherits grandchildren.
#include <sys/prctl.h>

#include "guest.h"

int main() {
  CHECK(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
  int told[2];
  CHECK(pipe(told) == 0);
  pid_t middle = Child([&] {
    int ready[2];
    CHECK(pipe(ready) == 0);
    Child([&] {
      sigset_t set;
      sigemptyset(&set);
      sigaddset(&set, SIGUSR1);
      sigprocmask(SIG_BLOCK, &set, nullptr);
      CHECK(prctl(PR_SET_PDEATHSIG, SIGUSR1) == 0);
      CHECK(write(ready[1], "r", 1) == 1);
      int got = 0;
      CHECK(sigwait(&set, &got) == 0);
      CHECK(write(told[1], &got, sizeof(got)) == sizeof(got));
      _exit(31);
    });
    char token;
    CHECK(read(ready[0], &token, 1) == 1);
  });
  CHECK(WaitFor(middle) == 0);
  int got = 0;
  CHECK(read(told[0], &got, sizeof(got)) == sizeof(got));
  Say("grandchild got %d", got);
  int status;
  CHECK(wait(&status) > 0);
  Say("inherited: %s", StatusText(status).c_str());
}
