// R05: futex_waitv: one thread waits for several words at once and is told which was woken.
//! link: threads
#include "thread_guest.h"

#ifndef SYS_futex_waitv
#define SYS_futex_waitv 449
#endif

struct Waiter {
  uint64_t value;
  uint64_t address;
  uint32_t flags;  // FUTEX_32 | FUTEX_PRIVATE_FLAG
  uint32_t reserved;
};

int main() {
  static std::atomic<uint32_t> words[3] = {{1}, {2}, {3}};
  Room room(3 * sizeof(Waiter));
  auto fill = [&] {
    room.Reset();
    for (int i = 0; i < 3; ++i) {
      room.as<Waiter>()[i] = {words[i].load(), reinterpret_cast<uintptr_t>(&words[i]),
                              2 | FUTEX_PRIVATE_FLAG, 0};
    }
  };
  fill();
  timespec deadline;
  CHECK(clock_gettime(CLOCK_MONOTONIC, &deadline) == 0);
  deadline.tv_sec += 20;
  auto wait = [&] {
    long result = syscall(SYS_futex_waitv, room.at(), 3, 0, &deadline, CLOCK_MONOTONIC);
    return result < 0 ? -errno : result;
  };
  for (int i = 0; i < 3; ++i) {
    fill();
    Blocked("waitv", {{}, {&room}, true}, wait,
            [&] { CHECK(Futex(&words[i], FUTEX_WAKE_PRIVATE, 1) == 1); });
  }
  words[1] = 7;
  Say("one has changed: %ld", wait());
  fill();
  CHECK(clock_gettime(CLOCK_MONOTONIC, &deadline) == 0);
  deadline.tv_nsec = deadline.tv_nsec < 970'000'000 ? deadline.tv_nsec + 30'000'000 : 999'999'999;
  Say("time-out: %ld", wait());
}
