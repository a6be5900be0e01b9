// R01: a fixed mapping over the place where retake keeps its stub is refused, and with a sentence;
// elsewhere it works.
//! differs: natively nothing is there
//! record-says: 0x70000000
#include <sys/mman.h>

#include "guest.h"

int main() {
  auto* place = reinterpret_cast<void*>(0x70000000);
  void* got =
      mmap(place, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  Say("over it: %s", got == MAP_FAILED ? "refused" : "allowed");
  CHECK(munmap(place, 4096) == -1 || got != MAP_FAILED);
  auto* free_place = reinterpret_cast<void*>(0x60000000);
  CHECK(mmap(free_place, 4096, PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) == free_place);
  Say("elsewhere: allowed");
  Say("a hint there is no error: %d",
      mmap(place, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED);
}
