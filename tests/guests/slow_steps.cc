// R09: half a second of small steps in two processes: what the kill tests cut short.
#include <time.h>

#include "guest.h"

int main() {
  int ends[2];
  CHECK(pipe(ends) == 0);
  pid_t pid = Child([&] {
    close(ends[1]);
    int step;
    while (read(ends[0], &step, sizeof(step)) == sizeof(step)) Say("child step %d", step);
  });
  for (int i = 0; i < 250; ++i) {
    CHECK(write(ends[1], &i, sizeof(i)) == sizeof(i));
    timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    Vary("%d: %ld.%09ld", i, now.tv_sec, now.tv_nsec);
    if (i % 50 == 25) InChild([&] { WriteFile("file", std::to_string(i)); });
    usleep(2000);
  }
  close(ends[1]);
  CHECK(WaitFor(pid) == 0);
  Say("end");
}
