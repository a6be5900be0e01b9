// R02: a file that is mapped privately is written to by a child: clean pages of the parent's
// mapping show it.
#include <sys/mman.h>

#include "guest.h"

int main() {
  WriteFile("data", Pattern(4096));
  int fd = open("data", O_RDONLY);
  auto* map = static_cast<char*>(mmap(nullptr, 4096, PROT_READ, MAP_PRIVATE, fd, 0));
  CHECK(map != MAP_FAILED);
  InChild([&] {
    CHECK(munmap(map, 4096) == 0);
    int mine = open("data", O_WRONLY);
    CHECK(pwrite(mine, "child", 5, 10) == 5);
  });
  Say("[%.5s]", map + 10);
}
