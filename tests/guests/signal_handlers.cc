// R06: handlers with what they are told, nested, with masks, one-shot, blocked and pending.
#include <ucontext.h>

#include "guest.h"

static volatile sig_atomic_t depth;

static void Told(int number, siginfo_t* info, void* context) {
  auto* user = static_cast<ucontext_t*>(context);
  Say("signal %d code %d from self %d, value %d, usr2 was blocked %d", number, info->si_code,
      info->si_pid == getpid(), info->si_value.sival_int, sigismember(&user->uc_sigmask, SIGUSR2));
}

static void Nest(int number) {
  depth = depth + 1;
  Say("depth %d in %d", depth, number);
  if (depth < 4) raise(depth % 2 ? SIGUSR2 : SIGUSR1);
  Say("leaving depth %d", depth);
  depth = depth - 1;
}

int main() {
  struct sigaction action = {};
  action.sa_sigaction = Told;
  action.sa_flags = SA_SIGINFO;
  CHECK(sigaction(SIGUSR1, &action, nullptr) == 0);
  raise(SIGUSR1);
  kill(getpid(), SIGUSR1);
  sigval value;
  value.sival_int = 77;
  CHECK(sigqueue(getpid(), SIGUSR1, value) == 0);
  CHECK(sigaction(SIGRTMIN + 3, &action, nullptr) == 0);

  sigset_t set, old, pending;
  sigemptyset(&set);
  sigaddset(&set, SIGRTMIN + 3);
  sigaddset(&set, SIGUSR1);
  CHECK(sigprocmask(SIG_BLOCK, &set, &old) == 0);
  for (int i = 0; i < 3; ++i) {
    value.sival_int = i;
    CHECK(sigqueue(getpid(), SIGRTMIN + 3, value) == 0);
    raise(SIGUSR1);
  }
  CHECK(sigpending(&pending) == 0);
  Say("pending: usr1 %d rt %d usr2 %d", sigismember(&pending, SIGUSR1),
      sigismember(&pending, SIGRTMIN + 3), sigismember(&pending, SIGUSR2));
  CHECK(sigprocmask(SIG_SETMASK, &old, nullptr) == 0);
  Say("unblocked");

  Handle(SIGUSR1, Nest, SA_NODEFER);
  Handle(SIGUSR2, Nest, SA_NODEFER);
  raise(SIGUSR1);
  Handle(
      SIGUSR1, [](int) { Say("once"); }, SA_RESETHAND);
  raise(SIGUSR1);
  CHECK(sigaction(SIGUSR1, nullptr, &action) == 0);
  Say("then default: %d", action.sa_handler == SIG_DFL);
  signal(SIGUSR1, SIG_IGN);
  raise(SIGUSR1);
  Say("ignored");
}
