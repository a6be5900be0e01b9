// R04: a tree three deep and three wide, each process telling its place through a pipe in order.
#include "guest.h"

static void Grow(const std::string& place, int depth) {
  int ends[2];
  CHECK(pipe(ends) == 0);
  for (int i = 0; i < 3 && depth > 0; ++i) {
    pid_t pid = Child([&] {
      close(ends[0]);
      Grow(place + "." + std::to_string(i), depth - 1);
      CHECK(write(ends[1], &i, sizeof(i)) == sizeof(i));
      _exit(i);
    });
    int told = -1;
    CHECK(read(ends[0], &told, sizeof(told)) == sizeof(told) && told == i);
    CHECK(WEXITSTATUS(WaitFor(pid)) == i);
  }
  close(ends[0]);
  close(ends[1]);
  Say("%s done", place.c_str());
}

int main() { Grow("root", 3); }
