// R04: a parent kills a tree of computing, sleeping and blocked children; each is seen to die.
#include "guest.h"

int main() {
  pid_t pids[4];
  int ready[2], never[2];
  CHECK(pipe(ready) == 0 && pipe(never) == 0);
  for (int i = 0; i < 4; ++i) {
    pids[i] = Child([&] {
      CHECK(write(ready[1], "r", 1) == 1);
      char token;
      if (i == 0) sleep(1000);
      if (i == 1) CHECK(read(never[0], &token, 1) == 1);
      if (i == 2) pause();
      for (volatile long n = 0;;) n = n + 1;
    });
  }
  for (int i = 0; i < 4; ++i) {
    char token;
    CHECK(read(ready[0], &token, 1) == 1);
  }
  usleep(20'000);
  for (int i = 0; i < 4; ++i) {
    CHECK(kill(pids[i], SIGKILL) == 0);
    Say("%d: %s", i, StatusText(WaitFor(pids[i])).c_str());
  }
}
