// R08: a program that wants to trace is told EPERM: it is being traced itself.
//! differs: natively it may
//! record-says: retake traces it already
#include <sys/ptrace.h>

#include "guest.h"

int main() {
  InChild([] {
    long traceme = ptrace(PTRACE_TRACEME, 0, 0, 0);
    Say("traceme %ld errno %d", traceme, errno);
  });
  pid_t pid = Child([] { pause(); });
  long result = ptrace(PTRACE_SEIZE, pid, 0, 0);
  Say("seize %ld errno %d", result, errno);
  kill(pid, SIGKILL);
  WaitFor(pid);
}
