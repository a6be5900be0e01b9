// R01: a thousand mappings made, split, merged and dropped; mincore and munmap of holes.
#include <sys/mman.h>

#include "guest.h"

int main() {
  char* maps[1000];
  for (int i = 0; i < 1000; ++i) {
    int size = (i % 7 + 1) * 4096;
    maps[i] =
        static_cast<char*>(mmap(nullptr, size, PROT_READ | PROT_WRITE | (i % 2 ? PROT_EXEC : 0),
                                MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    CHECK(maps[i] != MAP_FAILED);
    memset(maps[i], i, size);
  }
  for (int i = 0; i < 1000; i += 3) CHECK(munmap(maps[i], (i % 7 + 1) * 4096) == 0);
  uint64_t digest = 0;
  for (int i = 0; i < 1000; ++i) {
    if (i % 3) digest = Digest(maps[i], (i % 7 + 1) * 4096, digest + 1);
  }
  Say("digest %016lx", digest);
  auto* area = static_cast<char*>(
      mmap(nullptr, 64 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  memset(area, 1, 64 * 4096);
  CHECK(mmap(area + 10 * 4096, 5 * 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
             0) == area + 10 * 4096);
  Say("replaced: %d %d %d", area[10 * 4096 - 1], area[10 * 4096], area[15 * 4096]);
  CHECK(mmap(area, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) ==
            MAP_FAILED &&
        errno == EEXIST);
  CHECK(munmap(area, 64 * 4096) == 0 && munmap(area, 64 * 4096) == 0);
}
