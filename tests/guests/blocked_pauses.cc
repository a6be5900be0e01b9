// R06: pause and sigsuspend in a thread, ended by a signal that another one sends.
//! link: threads
#include "thread_guest.h"

static std::atomic<int> handled;
static std::atomic<pid_t> handled_by;

int main() {
  Handle(SIGUSR1, [](int) {
    handled = handled + 1;
    handled_by = static_cast<pid_t>(syscall(SYS_gettid));
  });
  pid_t waiter = 0;
  auto poke = [&] { CHECK(syscall(SYS_tgkill, getpid(), waiter, SIGUSR1) == 0); };
  Blocked(
      "pause", {{}, {}},
      [&] {
        waiter = static_cast<pid_t>(syscall(SYS_gettid));
        return pause();
      },
      poke);
  Say("handled %d, by the waiter %d", handled.load(), handled_by == waiter);
  sigset_t set;
  sigemptyset(&set);
  Blocked(
      "sigsuspend", {{}, {}},
      [&] {
        waiter = static_cast<pid_t>(syscall(SYS_gettid));
        sigset_t all;
        sigfillset(&all);
        CHECK(pthread_sigmask(SIG_SETMASK, &all, nullptr) == 0);
        long result = sigsuspend(&set);
        CHECK(pthread_sigmask(SIG_SETMASK, nullptr, &all) == 0);
        CHECK(sigismember(&all, SIGUSR2) == 1);
        errno = EINTR;
        return result;
      },
      poke);
  Say("handled %d, by the waiter %d", handled.load(), handled_by == waiter);
}
