// R06: handlers on an alternate stack, its state asked from inside, disarmed on entry, left by a
// jump.
#include <setjmp.h>

#include "guest.h"

static char stack_memory[65536];
static sigjmp_buf back;

static void OnSignal(int) {
  char here;
  bool inside = &here >= stack_memory && &here < stack_memory + sizeof(stack_memory);
  stack_t now = {};
  CHECK(sigaltstack(nullptr, &now) == 0);
  Say("on the alternate stack %d, flags %d", inside, now.ss_flags);
  stack_t other = {};
  other.ss_sp = stack_memory;
  other.ss_size = 8192;
  if (now.ss_flags == SS_ONSTACK) CHECK(sigaltstack(&other, nullptr) == -1 && errno == EPERM);
}

int main() {
  stack_t stack = {};
  stack.ss_sp = stack_memory;
  stack.ss_size = sizeof(stack_memory);
  CHECK(sigaltstack(&stack, nullptr) == 0);
  Handle(SIGUSR1, OnSignal, SA_ONSTACK);
  Handle(SIGUSR2, OnSignal);
  raise(SIGUSR1);
  raise(SIGUSR2);
  stack.ss_flags = static_cast<int>(1u << 31);  // SS_AUTODISARM
  CHECK(sigaltstack(&stack, nullptr) == 0);
  raise(SIGUSR1);
  stack_t now = {};
  CHECK(sigaltstack(nullptr, &now) == 0);
  Say("restored: %d", now.ss_sp == stack_memory);
  Handle(
      SIGUSR1, [](int) { siglongjmp(back, 1); }, SA_ONSTACK);
  if (sigsetjmp(back, 1) == 0) raise(SIGUSR1);
  Say("jumped out");
  stack.ss_flags = SS_DISABLE;
  CHECK(sigaltstack(&stack, nullptr) == 0);
  Handle(SIGUSR1, OnSignal, SA_ONSTACK);
  raise(SIGUSR1);
}
