// R06: signals find a thread computing after a call that it has waited in, and are delivered at its
// next call: what the handler finds of the computation is the same in a replay.
//! link: threads
//! differs: when the signals come
#include <sys/time.h>

#include "thread_guest.h"

namespace {

volatile uint32_t counter = 0;
volatile uint32_t found = 0;

void Handle(int) { found = found * 31 + counter; }

}  // namespace

int main() {
  struct sigaction action {};
  action.sa_handler = Handle;
  action.sa_flags = SA_RESTART;
  CHECK(sigaction(SIGALRM, &action, nullptr) == 0);
  int to_other[2], to_main[2];
  CHECK(pipe(to_other) == 0 && pipe(to_main) == 0);
  sigset_t alarm;
  sigemptyset(&alarm);
  sigaddset(&alarm, SIGALRM);
  CHECK(pthread_sigmask(SIG_BLOCK, &alarm, nullptr) == 0);
  Thread other([&] {
    char byte;
    while (read(to_other[0], &byte, 1) == 1) {
      usleep(500);
      CHECK(write(to_main[1], &byte, 1) == 1);
    }
  });
  CHECK(pthread_sigmask(SIG_UNBLOCK, &alarm, nullptr) == 0);
  const int interval = 1500 * Slowness();
  itimerval often{{0, interval}, {0, interval}};
  CHECK(setitimer(ITIMER_REAL, &often, nullptr) == 0);
  const int most = Times(1'000'000);
  for (int round = 0; round < 40; ++round) {
    char byte = 'b';
    CHECK(write(to_other[1], &byte, 1) == 1);
    ssize_t got = read(to_main[0], &byte, 1);
    for (int i = 0; i < most; ++i) counter = counter + 1;
    CHECK(got == 1);
    getppid();
  }
  close(to_other[1]);
  other.Join();
  Say("counted to %u, and found %u", counter, found);
}
