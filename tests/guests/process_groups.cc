// R04: process groups and sessions; signals to a whole group.
#include "guest.h"

int main() {
  Say("own group leader: %d", getpgrp() == getpid());
  int ready[2];
  CHECK(pipe(ready) == 0);
  pid_t leader = 0, members[3];
  for (int i = 0; i < 3; ++i) {
    members[i] = Child([&] {
      CHECK(setpgid(0, leader) == 0);
      CHECK(write(ready[1], "r", 1) == 1);
      for (;;) pause();
    });
    if (i == 0) leader = members[0];
    char token;
    CHECK(read(ready[0], &token, 1) == 1);
    CHECK(getpgid(members[i]) == leader);
  }
  Say("members agree");
  CHECK(killpg(leader, SIGTERM) == 0);
  for (pid_t pid : members) Say("%s", StatusText(WaitFor(pid)).c_str());
  CHECK(killpg(leader, 0) == -1 && errno == ESRCH);
  InChild([] {
    pid_t before = getsid(0);
    CHECK(setsid() == getpid() && getsid(0) == getpid() && getpgrp() == getpid());
    Say("new session: %d", before != getsid(0));
    CHECK(setsid() == -1 && errno == EPERM);
    Say("no terminal: %d", open("/dev/tty", O_RDWR) == -1);
  });
  CHECK(setpgid(1, 1) == -1);
}
