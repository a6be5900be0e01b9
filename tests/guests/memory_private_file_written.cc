// R02: a private mapping whose clean pages show what is later written to the file; pages the
// program wrote itself don't. The file's mapping must be remembered as it changes.
#include <sys/mman.h>

#include "guest.h"

int main() {
  WriteFile("data", Pattern(3 * 4096));
  int fd = open("data", O_RDWR);
  auto* map =
      static_cast<char*>(mmap(nullptr, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0));
  CHECK(map != MAP_FAILED);
  map[4096] = 'm';
  CHECK(pwrite(fd, "first", 5, 0) == 5);
  CHECK(pwrite(fd, "XXXXX", 5, 4096) == 5);
  CHECK(pwrite(fd, "third", 5, 8192) == 5);
  Say("[%.5s] %c [%.5s]", map, map[4096], map + 8192);
  Say("own page kept: %016lx", Digest(map + 4096, 4096));
}
