// R06: SIGCHLD handlers that reap, and what they are told; several children ending together.
#include "guest.h"

static volatile sig_atomic_t reaped, sum;

static void OnChild(int) {
  int saved = errno, status;
  while (waitpid(-1, &status, WNOHANG) > 0) {
    reaped = reaped + 1;
    sum = sum + WEXITSTATUS(status);
  }
  errno = saved;
}

int main() {
  struct sigaction action = {};
  action.sa_sigaction = [](int, siginfo_t* info, void*) {
    Say("told: code %d status %d", info->si_code, info->si_status);
  };
  action.sa_flags = SA_SIGINFO;
  CHECK(sigaction(SIGCHLD, &action, nullptr) == 0);
  for (int i = 0; i < 3; ++i) {
    pid_t pid = Child([&] { _exit(10 + i); });
    WaitFor(pid);
  }
  sigset_t block, old;
  sigemptyset(&block);
  sigaddset(&block, SIGCHLD);
  CHECK(sigprocmask(SIG_BLOCK, &block, &old) == 0);
  Handle(SIGCHLD, OnChild, SA_RESTART);
  for (int i = 0; i < 20; ++i) Child([&] { _exit(i); });
  while (reaped < 20) sigsuspend(&old);
  CHECK(sigprocmask(SIG_SETMASK, &old, nullptr) == 0);
  Say("reaped %d, sum %d", reaped, sum);
  action.sa_flags = SA_SIGINFO | SA_NOCLDSTOP | SA_NOCLDWAIT;
  action.sa_sigaction = [](int, siginfo_t*, void*) {};
  CHECK(sigaction(SIGCHLD, &action, nullptr) == 0);
  Child([] {});
  int status;
  while (wait(&status) >= 0 || errno == EINTR) {
  }
  Say("nothing to wait for: errno %d", errno);
}
