// R06: reading the counter while SIGSEGV or SIGILL, one of which the reading raises underneath, is
// blocked, ignored or handled: none of the three may change.
#include "guest.h"
#include "guest_arch.h"

static volatile sig_atomic_t handled;

static void ReadUnder(int signal_number) {
  sigset_t all, now;
  sigfillset(&all);
  CHECK(sigprocmask(SIG_BLOCK, &all, nullptr) == 0);
  Vary("blocked %lu", ReadCounter());
  CHECK(sigprocmask(SIG_BLOCK, nullptr, &now) == 0);
  Say("still blocked %d", sigismember(&now, signal_number));
  sigemptyset(&all);
  CHECK(sigprocmask(SIG_SETMASK, &all, nullptr) == 0);
  signal(signal_number, SIG_IGN);
  Vary("ignored %lu", ReadCounter());
  struct sigaction action;
  CHECK(sigaction(signal_number, nullptr, &action) == 0);
  Say("still ignored %d", action.sa_handler == SIG_IGN);
  Handle(signal_number, [](int) { handled = 1; });
  Vary("handled %lu", ReadCounter());
  CHECK(sigaction(signal_number, nullptr, &action) == 0);
  Say("still handled %d, not called %d", action.sa_handler != SIG_DFL, handled == 0);
  uint32_t out[4];
  IdentifyCpu(0, out);
  Say("not called %d", handled == 0);
}

int main() {
  ReadUnder(SIGSEGV);
  ReadUnder(SIGILL);
}
