// R04: fork, exit, wait; memory copied, not shared; the pids each sees agree.
#include "guest.h"

int main() {
  int value = 1;
  pid_t me = getpid();
  pid_t child = Child([&] {
    value = 2;
    Say("child: parent is right %d, value %d", getppid() == me, value);
    Vary("child pid %d", getpid());
    _exit(7);
  });
  int status = WaitFor(child);
  Say("parent: value %d, child %s", value, StatusText(status).c_str());
  Vary("pids %d %d", me, child);
}
