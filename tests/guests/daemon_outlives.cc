// R04: a daemon by double fork that outlives its parent, in a session of its own, and then writes a
// file. The first process's status comes at once; the recording goes on.
#include <sys/stat.h>

#include "guest.h"

int main() {
  Say("starting a daemon");
  InChild([] {
    CHECK(setsid() > 0);
    Child([] {
      int null = open("/dev/null", O_RDWR);
      for (int fd = 0; fd < 3; ++fd) dup2(null, fd);
      usleep(300'000);
      std::string text =
          "written by the daemon, orphan: " + std::to_string(getppid() != getpgrp()) + "\n";
      WriteFile("daemon_file", text);
    });
  });
  Say("main ends");
}
