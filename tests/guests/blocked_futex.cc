// R05: futex waits with and without time-outs, private and shared, by bits, that other threads end.
//! link: threads
#include "thread_guest.h"

int main() {
  static std::atomic<uint32_t> word{5};
  Say("not equal: %ld", Futex(&word, FUTEX_WAIT_PRIVATE, 4));
  Blocked(
      "wait", {{}, {}}, [&] { return Futex(&word, FUTEX_WAIT_PRIVATE, 5); },
      [&] {
        word = 6;
        Say("woke %ld", Futex(&word, FUTEX_WAKE_PRIVATE, 1));
      });
  Blocked(
      "shared wait", {{}, {}}, [&] { return Futex(&word, FUTEX_WAIT, 6); },
      [&] { Say("woke %ld", Futex(&word, FUTEX_WAKE, INT_MAX)); });
  timespec timeout = {10, 0};
  Room room(sizeof(timespec));
  *room.as<timespec>() = timeout;
  Blocked(
      "wait with time-out", {{}, {&room}},
      [&] { return Futex(&word, FUTEX_WAIT_PRIVATE, 6, room.as<timespec>()); },
      [&] { Say("woke %ld", Futex(&word, FUTEX_WAKE_PRIVATE, 1)); });
  room.Reset();
  *room.as<timespec>() = {0, 30'000'000};
  Blocked(
      "wait that times out", {{}, {&room}},
      [&] { return Futex(&word, FUTEX_WAIT_PRIVATE, 6, room.as<timespec>()); }, [] {});
  timespec deadline;
  CHECK(clock_gettime(CLOCK_REALTIME, &deadline) == 0);
  deadline.tv_sec += 100;
  Blocked(
      "wait for bits", {{}, {}},
      [&] {
        return Futex(&word, FUTEX_WAIT_BITSET_PRIVATE | FUTEX_CLOCK_REALTIME, 6, &deadline, nullptr,
                     0b0110);
      },
      [&] {
        Say("other bits wake %ld",
            Futex(&word, FUTEX_WAKE_BITSET_PRIVATE, 1, nullptr, nullptr, 0b1001));
        Say("its bits wake %ld",
            Futex(&word, FUTEX_WAKE_BITSET_PRIVATE, 1, nullptr, nullptr, 0b0011));
      });
  Say("nobody: %ld", Futex(&word, FUTEX_WAKE_PRIVATE, 1));
  Say("no bits: %ld", Futex(&word, FUTEX_WAIT_BITSET_PRIVATE, 6, nullptr, nullptr, 0));
}
