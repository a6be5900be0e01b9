// R05: waiting by spinning, with no system call in the loop (but for "yield"): a flag, locks by
// test and set, by tickets, by compare and swap, by exchange, with back-off that saturates and that
// doesn't; with and without a pause, compiled with and without optimisation.
//! link: threads
//! case: flag_nothing_o0 flag nothing 0
//! case: flag_nothing_o2 flag nothing 2
//! case: flag_pause_o0 flag pause 0
//! case: flag_pause_o2 flag pause 2
//! case: flag_yield_o0 flag yield 0
//! case: flag_yield_o2 flag yield 2
//! case: test_and_set_nothing_o0 test_and_set nothing 0
//! case: test_and_set_nothing_o2 test_and_set nothing 2
//! case: test_and_set_pause_o0 test_and_set pause 0
//! case: test_and_set_pause_o2 test_and_set pause 2
//! case: test_and_set_yield_o0 test_and_set yield 0
//! case: test_and_set_yield_o2 test_and_set yield 2
//! case: test_test_and_set_nothing_o0 test_test_and_set nothing 0
//! case: test_test_and_set_nothing_o2 test_test_and_set nothing 2
//! case: test_test_and_set_pause_o0 test_test_and_set pause 0
//! case: test_test_and_set_pause_o2 test_test_and_set pause 2
//! case: ticket_nothing_o0 ticket nothing 0
//! case: ticket_nothing_o2 ticket nothing 2
//! case: ticket_pause_o0 ticket pause 0
//! case: ticket_pause_o2 ticket pause 2
//! case: ticket_yield_o0 ticket yield 0
//! case: ticket_yield_o2 ticket yield 2
//! case: compare_and_swap_nothing_o0 compare_and_swap nothing 0
//! case: compare_and_swap_nothing_o2 compare_and_swap nothing 2
//! case: compare_and_swap_pause_o0 compare_and_swap pause 0
//! case: compare_and_swap_pause_o2 compare_and_swap pause 2
//! case: backoff_nothing_o0 backoff nothing 0
//! case: backoff_nothing_o2 backoff nothing 2
//! case: backoff_pause_o0 backoff pause 0
//! case: backoff_pause_o2 backoff pause 2
//! case: backoff_unbounded_nothing_o0 backoff_unbounded nothing 0
//! case: backoff_unbounded_nothing_o2 backoff_unbounded nothing 2
//! case: backoff_unbounded_pause_o0 backoff_unbounded pause 0
//! case: backoff_unbounded_pause_o2 backoff_unbounded pause 2
//! case: exchange_nothing_o0 exchange nothing 0
//! case: exchange_nothing_o2 exchange nothing 2
//! case: exchange_pause_o0 exchange pause 0
//! case: exchange_pause_o2 exchange pause 2
#include "guest_arch.h"
#include "thread_guest.h"

enum class Rest { kNothing, kPause, kYield };

static Rest rest;
static volatile int flag;
static int lock_word;
static unsigned next_ticket, now_serving;

// Each loop twice: at -O0, where every variable is in memory, and at -O2.
#define SPINS(LEVEL, SUFFIX)                                                              \
  __attribute__((noinline, optimize(LEVEL))) static void Breathe##SUFFIX() {              \
    if (rest == Rest::kPause) Relax();                                                    \
    if (rest == Rest::kYield) sched_yield();                                              \
  }                                                                                       \
  __attribute__((noinline, optimize(LEVEL))) static void AwaitFlag##SUFFIX(int value) {   \
    while (flag != value) Breathe##SUFFIX();                                              \
  }                                                                                       \
  __attribute__((noinline, optimize(LEVEL))) static void TestAndSet##SUFFIX() {           \
    while (__atomic_exchange_n(&lock_word, 1, __ATOMIC_ACQUIRE) != 0) Breathe##SUFFIX();  \
  }                                                                                       \
  __attribute__((noinline, optimize(LEVEL))) static void TestTestAndSet##SUFFIX() {       \
    for (;;) {                                                                            \
      while (__atomic_load_n(&lock_word, __ATOMIC_RELAXED) != 0) Breathe##SUFFIX();       \
      if (__atomic_exchange_n(&lock_word, 1, __ATOMIC_ACQUIRE) == 0) return;              \
    }                                                                                     \
  }                                                                                       \
  __attribute__((noinline, optimize(LEVEL))) static void Ticket##SUFFIX() {               \
    unsigned mine = __atomic_fetch_add(&next_ticket, 1, __ATOMIC_RELAXED);                \
    while (__atomic_load_n(&now_serving, __ATOMIC_ACQUIRE) != mine) Breathe##SUFFIX();    \
  }                                                                                       \
  __attribute__((noinline, optimize(LEVEL))) static void CompareAndSwap##SUFFIX() {       \
    int none = 0;                                                                         \
    while (!__atomic_compare_exchange_n(&lock_word, &none, 1, true, __ATOMIC_ACQUIRE,     \
                                        __ATOMIC_RELAXED)) {                              \
      none = 0;                                                                           \
      Breathe##SUFFIX();                                                                  \
    }                                                                                     \
  }                                                                                       \
  __attribute__((noinline, optimize(LEVEL))) static void BackOff##SUFFIX(unsigned most) { \
    unsigned turns = 1;                                                                   \
    while (__atomic_exchange_n(&lock_word, 1, __ATOMIC_ACQUIRE) != 0) {                   \
      for (unsigned i = 0; i < turns; ++i) Breathe##SUFFIX();                             \
      if (turns < most) turns *= 2;                                                       \
    }                                                                                     \
  }                                                                                       \
  __attribute__((noinline, optimize(LEVEL))) static void Exchange##SUFFIX() {             \
    int mine = 1;                                                                         \
    do {                                                                                  \
      mine = __atomic_exchange_n(&lock_word, mine, __ATOMIC_ACQ_REL);                     \
      if (mine != 0) Breathe##SUFFIX();                                                   \
    } while (mine != 0);                                                                  \
  }
SPINS("O0", Plain)
SPINS("O2", Fast)

static bool fast;
static std::string kind;

static void Lock() {
#define PICK(function, ...) (fast ? function##Fast(__VA_ARGS__) : function##Plain(__VA_ARGS__))
  if (kind == "test_and_set") PICK(TestAndSet);
  if (kind == "test_test_and_set") PICK(TestTestAndSet);
  if (kind == "ticket") PICK(Ticket);
  if (kind == "compare_and_swap") PICK(CompareAndSwap);
  if (kind == "backoff") PICK(BackOff, 64);
  if (kind == "backoff_unbounded") PICK(BackOff, 1u << 30);
  if (kind == "exchange") PICK(Exchange);
}

static void Unlock() {
  if (kind == "ticket") {
    __atomic_fetch_add(&now_serving, 1, __ATOMIC_RELEASE);
  } else {
    __atomic_store_n(&lock_word, 0, __ATOMIC_RELEASE);
  }
}

int main(int, char** argv) {
  kind = argv[1];
  std::string how = argv[2];
  rest = how == "pause" ? Rest::kPause : how == "yield" ? Rest::kYield : Rest::kNothing;
  fast = argv[3][0] == '2';
  if (kind == "flag") {
    // Two that answer each other.
    long sum = 0;
    Thread other([] {
      for (int i = 0; i < 12; ++i) {
        PICK(AwaitFlag, 2 * i + 1);
        flag = 2 * i + 2;
      }
    });
    for (int i = 0; i < 12; ++i) {
      flag = 2 * i + 1;
      PICK(AwaitFlag, 2 * i + 2);
      sum = sum * 3 + flag;
    }
    other.Join();
    Say("sum %ld", sum);
    return 0;
  }
  // The holder sleeps now and then with the lock, so that the others find it held.
  long count = 0;
  uint64_t order = 0;
  std::vector<std::unique_ptr<Thread>> threads;
  for (int i = 0; i < 3; ++i) {
    threads.push_back(std::make_unique<Thread>([&, i] {
      for (int j = 0; j < 12; ++j) {
        Lock();
        long seen = count;
        order = order * 5 + i;
        if (j % 4 == 1) usleep(300);
        count = seen + 1;
        Unlock();
      }
    }));
  }
  threads.clear();
  Say("count %ld", count);
  Vary("order %016lx", static_cast<unsigned long>(order));
}
