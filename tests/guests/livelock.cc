// R05: two threads spin, each on a flag that only the other would set: nobody will ever write what
// they wait for. The recording says so, with their stacks, and goes on: here a timer ends it.
//! link: threads
//! record-says: livelock
//! record-says: AwaitForever
#include <sys/time.h>

#include <thread>

#include "thread_guest.h"

static volatile int flags[2];

__attribute__((noinline)) static void AwaitForever(int mine) {
  while (flags[1 - mine] == 0) {
  }
  flags[mine] = 1;
}

int main() {
  struct sigaction action {};
  action.sa_handler = [](int) { flags[0] = 1; };
  action.sa_flags = SA_RESTART;
  sigaction(SIGALRM, &action, nullptr);
  // Long after the bound of the recorder, which is 5 s.
  itimerval timer{{0, 0}, {8, 0}};
  setitimer(ITIMER_REAL, &timer, nullptr);
  std::thread first(AwaitForever, 0);
  std::thread second(AwaitForever, 1);
  // The signal is the first thread's, which waits without spinning.
  first.join();
  second.join();
  Say("flags %d %d", flags[0], flags[1]);
}
