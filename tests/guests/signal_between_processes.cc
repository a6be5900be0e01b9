// R06: two processes that talk by signals alone.
#include "guest.h"

static volatile sig_atomic_t got;

int main() {
  sigset_t block, old;
  sigemptyset(&block);
  sigaddset(&block, SIGUSR1);
  CHECK(sigprocmask(SIG_BLOCK, &block, &old) == 0);
  Handle(SIGUSR1, [](int) { got = got + 1; });
  pid_t other = Child([&] {
    for (int i = 0; i < 100; ++i) {
      while (got <= i) sigsuspend(&old);
      kill(getppid(), SIGUSR1);
    }
  });
  for (int i = 0; i < 100; ++i) {
    CHECK(kill(other, SIGUSR1) == 0);
    while (got <= i) sigsuspend(&old);
  }
  Say("%d exchanged", got);
  CHECK(WaitFor(other) == 0);
}
