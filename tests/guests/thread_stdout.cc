// R05: threads that all write to stdout and stderr: every line comes whole, and a replay shows them
// in the recorded order.
//! link: threads
//! differs: the order of the lines is the kernel's
#include "thread_guest.h"

int main() {
  std::vector<std::unique_ptr<Thread>> threads;
  for (int i = 0; i < 6; ++i) {
    threads.push_back(std::make_unique<Thread>([i] {
      for (int j = 0; j < 20; ++j) {
        Say("thread %d line %d", i, j);
        if (j % 4 == i % 4) dprintf(2, "thread %d to stderr %d\n", i, j);
        if (j % 7 == 0) usleep(100);
      }
    }));
  }
}
