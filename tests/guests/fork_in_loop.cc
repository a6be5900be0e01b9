// R04: 300 children one after the other, every tenth killed: pids and resources are let go.
#include "guest.h"

int main() {
  int killed = 0, exited = 0;
  for (int i = 0; i < 300; ++i) {
    pid_t pid = Child([&] {
      if (i % 10 == 0) pause();
    });
    if (i % 10 == 0) kill(pid, SIGKILL);
    int status = WaitFor(pid);
    (WIFSIGNALED(status) ? killed : exited)++;
  }
  Say("%d killed, %d exited", killed, exited);
}
