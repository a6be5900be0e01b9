// R06: reading the counter while SIGSEGV, which the reading raises underneath, is blocked, ignored
// or handled: none of the three may change.
#include "guest.h"
#include "guest_arch.h"

static volatile sig_atomic_t handled;

int main() {
  sigset_t all, now;
  sigfillset(&all);
  CHECK(sigprocmask(SIG_BLOCK, &all, nullptr) == 0);
  Vary("blocked %lu", ReadCounter());
  CHECK(sigprocmask(SIG_BLOCK, nullptr, &now) == 0);
  Say("still blocked %d", sigismember(&now, SIGSEGV));
  sigemptyset(&all);
  CHECK(sigprocmask(SIG_SETMASK, &all, nullptr) == 0);
  signal(SIGSEGV, SIG_IGN);
  Vary("ignored %lu", ReadCounter());
  struct sigaction action;
  CHECK(sigaction(SIGSEGV, nullptr, &action) == 0);
  Say("still ignored %d", action.sa_handler == SIG_IGN);
  Handle(SIGSEGV, [](int) { handled = 1; });
  Vary("handled %lu", ReadCounter());
  CHECK(sigaction(SIGSEGV, nullptr, &action) == 0);
  Say("still handled %d, not called %d", action.sa_handler != SIG_DFL, handled == 0);
  uint32_t out[4];
  IdentifyCpu(0, out);
  Say("not called %d", handled == 0);
}
