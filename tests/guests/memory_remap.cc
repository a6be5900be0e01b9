// R01: mremap: growing in place and by moving, shrinking, fixed targets, file maps.
#include <sys/mman.h>

#include "guest.h"

int main() {
  auto* map = static_cast<char*>(
      mmap(nullptr, 4 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  for (int i = 0; i < 4 * 4096; ++i) map[i] = static_cast<char>(i * 7);
  auto* moved = static_cast<char*>(mremap(map, 4 * 4096, 1024 * 4096, MREMAP_MAYMOVE));
  CHECK(moved != MAP_FAILED);
  Say("kept %016lx, new zero %d", Digest(moved, 4 * 4096), moved[1000 * 4096] == 0);
  moved[1000 * 4096] = 1;
  auto* shrunk = static_cast<char*>(mremap(moved, 1024 * 4096, 2 * 4096, 0));
  CHECK(shrunk == moved);
  Say("shrunk %016lx", Digest(shrunk, 2 * 4096));
  auto* target =
      static_cast<char*>(mmap(nullptr, 16 * 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  auto* fixed = static_cast<char*>(
      mremap(shrunk, 2 * 4096, 3 * 4096, MREMAP_MAYMOVE | MREMAP_FIXED, target + 4096));
  CHECK(fixed == target + 4096);
  Say("fixed %016lx", Digest(fixed, 3 * 4096));
  WriteFile("data", Pattern(5 * 4096));
  int fd = open("data", O_RDONLY);
  auto* file = static_cast<char*>(mmap(nullptr, 4096, PROT_READ, MAP_PRIVATE, fd, 4096));
  auto* grown = static_cast<char*>(mremap(file, 4096, 3 * 4096, MREMAP_MAYMOVE));
  CHECK(grown != MAP_FAILED);
  Say("file map grown %016lx", Digest(grown, 3 * 4096));
  CHECK(mremap(grown, 4096, 0, 0) == MAP_FAILED && errno == EINVAL);
  auto* left = static_cast<char*>(
      mremap(fixed, 3 * 4096, 3 * 4096, MREMAP_MAYMOVE | 4 /* leave the old one, empty */));
  if (left != MAP_FAILED) {
    Say("old place is zero %d, new %016lx", fixed[0] == 0, Digest(left, 3 * 4096));
  } else {
    Say("no such mremap: errno %d", errno);
  }
}
