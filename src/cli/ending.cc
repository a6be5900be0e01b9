#include "cli/ending.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>

namespace retake {

void DieOf(int signal) {
  fflush(stdout);
  // With a core pattern that is a pipe the limit alone doesn't prevent one (core(5)), not being
  // dumpable does.
  struct rlimit none = {0, 0};
  setrlimit(RLIMIT_CORE, &none);
  prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  ::signal(signal, SIG_DFL);
  sigset_t only;
  sigemptyset(&only);
  sigaddset(&only, signal);
  sigprocmask(SIG_UNBLOCK, &only, nullptr);
  raise(signal);
  // A signal that doesn't kill: what a shell would say of one that does.
  _exit(128 + signal);
}

int EndAs(int wait_status) {
  if (WIFSIGNALED(wait_status)) DieOf(WTERMSIG(wait_status));
  return WEXITSTATUS(wait_status);
}

}  // namespace retake
