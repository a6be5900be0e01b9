// R06: a program with threads is stopped and continued by another process, while its threads wait,
// make calls and hold locks; each thread stops, and goes on.
//! link: threads
#include "thread_guest.h"

int main() {
  int ready[2];
  static int told[2];
  int finish[2];
  CHECK(pipe(ready) == 0 && pipe(told) == 0 && pipe(finish) == 0);
  pid_t program = Child([&] {
    std::atomic<bool> stop{false};
    std::atomic<long> rounds{0};
    static std::atomic<int> continued;
    Handle(
        SIGCONT,
        [](int) {
          continued = continued + 1;
          CHECK(write(told[1], "c", 1) == 1);
        },
        SA_RESTART);
    Thread busy([&] {
      while (!stop) {
        ++rounds;
        sched_yield();
      }
    });
    Thread sleeps([&] {
      while (!stop) usleep(500);
    });
    Thread waits([&] {
      char byte;
      CHECK(read(ready[0], &byte, 1) >= 0);
    });
    waits.AwaitSleep();
    CHECK(write(told[1], "r", 1) == 1);
    while (continued < 3) usleep(500);
    // Not before it has been seen to go on: its end would hide that.
    char byte;
    CHECK(read(finish[0], &byte, 1) == 1);
    stop = true;
    CHECK(write(ready[1], "x", 1) == 1);
    busy.Join();
    sleeps.Join();
    waits.Join();
    _exit(rounds > 0 ? 6 : 7);
  });
  char byte;
  CHECK(read(told[0], &byte, 1) == 1);
  for (int i = 0; i < 3; ++i) {
    CHECK(kill(program, SIGSTOP) == 0);
    int status;
    CHECK(waitpid(program, &status, WUNTRACED) == program);
    Say("%s", StatusText(status).c_str());
    CHECK(kill(program, SIGCONT) == 0);
    CHECK(waitpid(program, &status, WCONTINUED) == program);
    Say("%s", StatusText(status).c_str());
    CHECK(read(told[0], &byte, 1) == 1);
  }
  CHECK(write(finish[1], "f", 1) == 1);
  Say("%s", StatusText(WaitFor(program)).c_str());
}
