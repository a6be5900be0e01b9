// R01: recursion until the stack's limit, caught on an alternate stack, and gone on from.
#include <setjmp.h>
#include <sys/resource.h>

#include "guest.h"

static sigjmp_buf back;

static void OnFault(int) { siglongjmp(back, 1); }

static int Deeper(int n) {
  volatile char space[1000];
  space[0] = static_cast<char>(n);
  return n < 100'000'000 ? Deeper(n + 1) + space[0] : n;
}

int main() {
  static char alternate[65536];
  stack_t stack = {};
  stack.ss_sp = alternate;
  stack.ss_size = sizeof(alternate);
  CHECK(sigaltstack(&stack, nullptr) == 0);
  Handle(SIGSEGV, OnFault, SA_ONSTACK);
  for (int round = 0; round < 3; ++round) {
    if (sigsetjmp(back, 1) == 0) {
      Deeper(0);
      Say("never");
    } else {
      Say("stack ran out, round %d", round);
    }
  }
}
