// R04: wait4, waitpid and waitid in their variants: any child, a group, no hang, not yet reaped,
// stopped and continued, resources used.
#include <sys/resource.h>

#include "guest.h"

int main() {
  int status;
  CHECK(waitpid(-1, &status, 0) == -1 && errno == ECHILD);
  int go[2];
  CHECK(pipe(go) == 0);
  pid_t pid = Child([&] {
    char token;
    CHECK(read(go[0], &token, 1) == 1);
    _exit(3);
  });
  Say("no hang: %d", waitpid(pid, &status, WNOHANG));
  siginfo_t info = {};
  CHECK(waitid(P_PID, pid, &info, WEXITED | WNOHANG) == 0);
  Say("waitid no hang: pid %d", info.si_pid);
  CHECK(write(go[1], "g", 1) == 1);
  CHECK(waitid(P_PID, pid, &info, WEXITED | WNOWAIT) == 0);
  Say("seen, not reaped: code %d status %d pid right %d", info.si_code, info.si_status,
      info.si_pid == pid);
  rusage usage = {};
  CHECK(wait4(pid, &status, 0, &usage) == pid);
  Say("%s", StatusText(status).c_str());
  Vary("max resident %ld KiB, faults %ld", usage.ru_maxrss, usage.ru_minflt);

  pid = Child([] {
    for (;;) pause();
  });
  CHECK(kill(pid, SIGSTOP) == 0);
  CHECK(waitpid(pid, &status, WUNTRACED) == pid);
  Say("%s", StatusText(status).c_str());
  CHECK(kill(pid, SIGCONT) == 0);
  CHECK(waitpid(pid, &status, WCONTINUED) == pid);
  Say("%s", StatusText(status).c_str());
  CHECK(kill(pid, SIGKILL) == 0);
  CHECK(waitid(P_ALL, 0, &info, WEXITED) == 0);
  Say("code %d status %d", info.si_code, info.si_status);
  for (int i = 0; i < 3; ++i) Child([&] { _exit(20 + i); });
  int sum = 0;
  while (waitpid(0, &status, 0) > 0) sum += WEXITSTATUS(status);
  Say("sum of the group %d", sum);
  Handle(SIGCHLD, SIG_IGN);
  Child([] {});
  CHECK(wait(&status) == -1 && errno == ECHILD);
  Say("ignored children leave nothing");
}
