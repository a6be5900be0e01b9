// R04: vfork: the child runs in its parent's memory until it execs or exits; the parent stands
// still meanwhile.
#include "guest.h"

int main(int argc, char** argv) {
  if (argc > 1) {
    Say("executed with [%s]", argv[1]);
    return 5;
  }
  volatile int shared = 1;
  pid_t pid = vfork();
  if (pid == 0) {
    shared = 2;
    _exit(9);
  }
  int status = WaitFor(pid);
  Say("child exits: %s, wrote %d", StatusText(status).c_str(), shared);
  pid = vfork();
  if (pid == 0) {
    shared = 3;
    execl(argv[0], argv[0], "after vfork", nullptr);
    _exit(99);
  }
  int written = shared;  // the parent goes on at the exec, beside the program that it executed
  status = WaitFor(pid);
  Say("after its exec: wrote %d, %s", written, StatusText(status).c_str());
  pid = vfork();
  if (pid == 0) {
    execl("/nonexistent/program", "x", nullptr);
    shared = errno;
    _exit(98);
  }
  status = WaitFor(pid);
  Say("failed exec: errno %d, %s", shared, StatusText(status).c_str());
  pid = vfork();
  if (pid == 0) {
    kill(getpid(), SIGKILL);
    _exit(97);
  }
  Say("killed: %s", StatusText(WaitFor(pid)).c_str());
}
