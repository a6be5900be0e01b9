// R06: a process stopped and continued while it is in a call that blocks.
#include "guest.h"

int main() {
  int ends[2];
  CHECK(pipe(ends) == 0);
  pid_t pid = Child([&] {
    close(ends[1]);
    char byte;
    ssize_t got = read(ends[0], &byte, 1);
    Say("read %zd", got);
    usleep(100'000);
    Say("slept");
    CHECK(read(ends[0], &byte, 1) == 0);
  });
  int status;
  for (int i = 0; i < 3; ++i) {
    usleep(10'000);
    CHECK(kill(pid, SIGSTOP) == 0 && waitpid(pid, &status, WUNTRACED) == pid);
    Say("%s", StatusText(status).c_str());
    CHECK(kill(pid, SIGCONT) == 0 && waitpid(pid, &status, WCONTINUED) == pid);
  }
  CHECK(write(ends[1], "x", 1) == 1);
  for (int i = 0; i < 3; ++i) {
    usleep(20'000);
    CHECK(kill(pid, SIGSTOP) == 0 && waitpid(pid, &status, WUNTRACED) == pid);
    CHECK(kill(pid, SIGCONT) == 0 && waitpid(pid, &status, WCONTINUED) == pid);
  }
  close(ends[0]);
  close(ends[1]);
  Say("%s", StatusText(WaitFor(pid)).c_str());
}
