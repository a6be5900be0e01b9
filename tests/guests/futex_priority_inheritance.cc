// R05: futexes that inherit priority: the kernel itself writes the owner's thread id and the
// waiters' bit into the word, when it blocks, hands over and unlocks.
//! link: threads
#include "thread_guest.h"

static std::atomic<uint32_t> word{0};

static pid_t Tid() { return static_cast<pid_t>(syscall(SYS_gettid)); }

static void Tell(const char* when) {
  uint32_t now = word;
  Say("%s: waiters %d, owner died %d, owned by us %d, owned %d", when, (now & FUTEX_WAITERS) != 0,
      (now & FUTEX_OWNER_DIED) != 0, (now & FUTEX_TID_MASK) == static_cast<uint32_t>(Tid()),
      (now & FUTEX_TID_MASK) != 0);
  Vary("%s: word %x", when, now);
}

int main() {
  Say("lock %ld", Futex(&word, FUTEX_LOCK_PI_PRIVATE, 0));
  Tell("locked");
  Say("again %ld", Futex(&word, FUTEX_LOCK_PI_PRIVATE, 0));
  {
    Thread other([] {
      Say("trylock of another %ld", Futex(&word, FUTEX_TRYLOCK_PI_PRIVATE, 0));
      Say("unlock of another's %ld", Futex(&word, FUTEX_UNLOCK_PI_PRIVATE, 0));
    });
  }
  {
    Thread waiter([] {
      CHECK(Futex(&word, FUTEX_LOCK_PI_PRIVATE, 0) == 0);
      Tell("handed over");
      CHECK(Futex(&word, FUTEX_UNLOCK_PI_PRIVATE, 0) == 0);
    });
    waiter.AwaitSleep();
    Tell("waited for");
    CHECK(Futex(&word, FUTEX_UNLOCK_PI_PRIVATE, 0) == 0);
    // The kernel has written the next owner already: it needn't have run.
    uint32_t now = word;
    waiter.Join();
    Say("given away: %d", (now & FUTEX_TID_MASK) != static_cast<uint32_t>(Tid()));
    Vary("word %x", now);
  }
  Tell("free");
  Say("lock with the word, not the call: %d", [] {
    uint32_t none = 0;
    return word.compare_exchange_strong(none, Tid());
  }());
  {
    Thread waiter([] {
      timespec deadline;
      CHECK(clock_gettime(CLOCK_REALTIME, &deadline) == 0);
      deadline.tv_nsec += 30'000'000;
      if (deadline.tv_nsec >= 1'000'000'000) {
        ++deadline.tv_sec;
        deadline.tv_nsec -= 1'000'000'000;
      }
      Say("with time-out %ld", Futex(&word, FUTEX_LOCK_PI_PRIVATE, 0, &deadline));
    });
  }
  Tell("after the time-out");
  Say("unlock %ld", Futex(&word, FUTEX_UNLOCK_PI_PRIVATE, 0));
  {
    // The owner ends while one waits.
    static std::atomic<uint32_t> step{0};
    Thread owner([] {
      CHECK(Futex(&word, FUTEX_LOCK_PI_PRIVATE, 0) == 0);
      CHECK(Futex(&step, FUTEX_WAIT_PRIVATE, 0) == 0);
    });
    owner.AwaitSleep();
    Thread waiter([] {
      Say("of one that ended: %ld", Futex(&word, FUTEX_LOCK_PI_PRIVATE, 0));
      Tell("inherited");
    });
    waiter.AwaitSleep();
    CHECK(Futex(&step, FUTEX_WAKE_PRIVATE, 1) == 1);
  }
}
