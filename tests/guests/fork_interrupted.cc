// R06: a process with threads forks while signals come that it ignores: the kernel interrupts the
// call and makes it again. What the children find of what another thread writes is the same in a
// replay.
//! link: threads
//! differs: when the threads take turns
#include <sys/time.h>

#include "thread_guest.h"

int main() {
  signal(SIGALRM, SIG_IGN);
  // So that a fork takes some time.
  constexpr size_t kSize = 24 << 20;
  void* large = mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CHECK(large != MAP_FAILED && madvise(large, kSize, MADV_NOHUGEPAGE) == 0);
  memset(large, 1, kSize);
  std::atomic<uint32_t> counter = 0;
  std::atomic<bool> ended = false;
  const int interval = 100 * Slowness();
  itimerval often{{0, interval}, {0, interval}};
  CHECK(setitimer(ITIMER_REAL, &often, nullptr) == 0);
  Thread writer([&] {
    while (!ended) {
      for (int i = 0; i < 1000; ++i) counter = counter * 3 + 1;
      sched_yield();
    }
  });
  uint32_t sum = 0;
  for (int round = 0, rounds = Times(40, 8); round < rounds; ++round) {
    // The libc's fork blocks signals.
    auto child = static_cast<pid_t>(syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0));
    CHECK(child >= 0);
    if (child == 0) _exit(counter & 0x7f);
    sum = sum * 31 + static_cast<uint32_t>(WEXITSTATUS(WaitFor(child)));
  }
  ended = true;
  writer.Join();
  Say("the children found %u", sum);
}
