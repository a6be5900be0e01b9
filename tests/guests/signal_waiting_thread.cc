// R06: one thread takes all signals by sigwait and sigwaitinfo while others work, send and fork.
//! link: threads
#include "thread_guest.h"

int main() {
  sigset_t set;
  sigemptyset(&set);
  for (int number : {SIGUSR1, SIGUSR2, SIGTERM, SIGCHLD, SIGRTMIN + 2}) sigaddset(&set, number);
  CHECK(pthread_sigmask(SIG_BLOCK, &set, nullptr) == 0);
  std::atomic<int> counts[70];
  for (auto& count : counts) count = 0;
  long values = 0;
  Thread waiter([&] {
    for (;;) {
      siginfo_t info;
      int number = sigwaitinfo(&set, &info);
      CHECK(number > 0);
      ++counts[number];
      if (number == SIGRTMIN + 2) values = values * 7 + info.si_value.sival_int;
      if (number == SIGTERM) return;
    }
  });
  for (int i = 0; i < 10; ++i) {
    sigval value;
    value.sival_int = i;
    CHECK(sigqueue(getpid(), SIGRTMIN + 2, value) == 0);
  }
  for (int i = 0; i < 3; ++i) {
    int before = counts[SIGUSR1];
    CHECK(kill(getpid(), SIGUSR1) == 0);
    while (counts[SIGUSR1] == before) usleep(300);
  }
  InChild([] {});
  while (counts[SIGCHLD] == 0) usleep(300);
  while (counts[SIGRTMIN + 2] < 10) usleep(300);
  CHECK(kill(getpid(), SIGTERM) == 0);
  waiter.Join();
  Say("usr1 %d, child %d, values %ld", counts[SIGUSR1].load(), counts[SIGCHLD].load(), values);
  CHECK(pthread_kill(pthread_self(), SIGUSR2) == 0);
  int number = 0;
  CHECK(sigwait(&set, &number) == 0);
  Say("own %d", number == SIGUSR2);
}
