// R05: FUTEX_WAKE_OP changes a word and wakes the waiters of one or two by what it held.
//! link: threads
#include "thread_guest.h"

static std::atomic<uint32_t> first{0}, second{0};

static void Run(const char* name, uint32_t start, uint32_t operation) {
  second = start;
  Thread one([] { CHECK(Futex(&first, FUTEX_WAIT_PRIVATE, 0) == 0); });
  Thread two([start] { CHECK(Futex(&second, FUTEX_WAIT_PRIVATE, start) == 0); });
  one.AwaitSleep();
  two.AwaitSleep();
  long woken = FutexCount(&first, FUTEX_WAKE_OP_PRIVATE, 1, 1, &second, operation);
  Say("%s: woken %ld, word %x", name, woken, second.load());
  Say("left: %ld and %ld", Futex(&first, FUTEX_WAKE_PRIVATE, 9),
      Futex(&second, FUTEX_WAKE_PRIVATE, 9));
}

int main() {
  Run("set, equal", 5, FUTEX_OP(FUTEX_OP_SET, 7, FUTEX_OP_CMP_EQ, 5));
  Run("add, not equal", 5, FUTEX_OP(FUTEX_OP_ADD, 7, FUTEX_OP_CMP_NE, 5));
  Run("or, less", 5, FUTEX_OP(FUTEX_OP_OR, 8, FUTEX_OP_CMP_LT, 6));
  Run("and not, greater", 15, FUTEX_OP(FUTEX_OP_ANDN, 5, FUTEX_OP_CMP_GT, 20));
  Run("xor of a shifted bit", 15,
      FUTEX_OP(FUTEX_OP_XOR | FUTEX_OP_OPARG_SHIFT, 10, FUTEX_OP_CMP_GE, 15));
}
