// R04: an orphan goes on writing to stdout after its parents are gone, told by the pipe that
// breaks.
#include "guest.h"

int main() {
  int ends[2];
  CHECK(pipe(ends) == 0);
  Child([&] {
    close(ends[1]);
    char byte;
    CHECK(read(ends[0], &byte, 1) == 0);  // end of file: the parent is gone
    Say("orphan: parent gone");
    for (int i = 0; i < 5; ++i) {
      usleep(10'000);
      Say("orphan: %d", i);
    }
  });
  Say("parent leaves");
}
