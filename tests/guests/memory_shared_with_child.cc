// R04: anonymous shared memory between a parent and its children, in turns kept by pipes; then by
// watching the memory alone.
#include <sys/mman.h>

#include "guest.h"

int main() {
  auto* shared = static_cast<volatile int*>(
      mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  int go[2], done[2];
  CHECK(pipe(go) == 0 && pipe(done) == 0);
  pid_t child = Child([&] {
    char token;
    for (int i = 0; i < 10; ++i) {
      CHECK(read(go[0], &token, 1) == 1);
      shared[0] = shared[0] * 3 + 1;
      CHECK(write(done[1], "d", 1) == 1);
    }
  });
  for (int i = 0; i < 10; ++i) {
    char token;
    shared[0] = shared[0] + 1;
    CHECK(write(go[1], "g", 1) == 1);
    CHECK(read(done[0], &token, 1) == 1);
    Say("now %d", shared[0]);
  }
  CHECK(WaitFor(child) == 0);
  for (int i = 0; i < 3; ++i) InChild([&] { shared[1 + i] = 100 + i; });
  Say("children left %d %d %d", shared[1], shared[2], shared[3]);
}
