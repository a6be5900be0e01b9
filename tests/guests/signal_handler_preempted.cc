// R06: handlers run before calls that are made afterwards, compute, and make calls of their own,
// while another thread wants to run. What either finds in memory is the same in a replay.
//! link: threads
//! differs: when the signals come
//! record-with: --check-every 1
#include <sys/time.h>

#include <atomic>

#include "thread_guest.h"

namespace {

volatile uint32_t counter = 0;  // of the handler's work
volatile uint32_t shared = 0;
std::atomic<bool> ended{false};

void Compute(int times) {
  for (int i = 0; i < times; ++i) counter = counter + 1;
}

void Handle(int) {
  static int calls = 0;
  Compute(Times(20'000) * (++calls % 40));
  shared = shared * 31 + counter;
  getppid();
  shared = shared * 31 + counter;
}

}  // namespace

int main() {
  Thread other([&] {
    while (!ended) {
      for (int i = 0; i < Times(30'000); ++i) shared = shared + 1;
      getpid();
    }
  });
  struct sigaction action {};
  action.sa_handler = Handle;
  action.sa_flags = SA_RESTART;
  CHECK(sigaction(SIGALRM, &action, nullptr) == 0);
  const int interval = 2'000 * (Slowness() > 1 ? 50 : 1);
  itimerval often{{0, interval}, {0, interval}};
  CHECK(setitimer(ITIMER_REAL, &often, nullptr) == 0);
  for (int round = 0; round < Times(300); ++round) {
    Compute(Times(30'000));
    getppid();
  }
  ended = true;
  other.Join();
  Say("counted to %u, and left %u", counter, shared);
}
