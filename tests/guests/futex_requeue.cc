// R05: FUTEX_REQUEUE and FUTEX_CMP_REQUEUE: waiters moved from one word to another, and woken
// there one at a time.
//! link: threads
#include "thread_guest.h"

int main() {
  static std::atomic<uint32_t> first{0}, second{0};
  static std::atomic<int> awake{0};
  for (int operation : {FUTEX_REQUEUE_PRIVATE, FUTEX_CMP_REQUEUE_PRIVATE}) {
    awake = 0;
    std::vector<std::unique_ptr<Thread>> waiters;
    for (int i = 0; i < 5; ++i) {
      waiters.push_back(std::make_unique<Thread>([] {
        CHECK(Futex(&first, FUTEX_WAIT_PRIVATE, 0) == 0);
        ++awake;
      }));
      waiters.back()->AwaitSleep();
    }
    if (operation == FUTEX_CMP_REQUEUE_PRIVATE) {
      Say("other value: %ld", FutexCount(&first, operation, 1, INT_MAX, &second, 99));
    }
    Say("woken or moved %ld", FutexCount(&first, operation, 1, 3, &second, 0));
    Say("left on the first: %ld", Futex(&first, FUTEX_WAKE_PRIVATE, INT_MAX));
    Say("one on the second: %ld", Futex(&second, FUTEX_WAKE_PRIVATE, 1));
    Say("the rest: %ld", Futex(&second, FUTEX_WAKE_PRIVATE, INT_MAX));
    waiters.clear();
    Say("awake %d", awake.load());
  }
}
