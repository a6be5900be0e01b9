// R01: madvise: DONTNEED on anonymous memory and on private and shared file maps, FREE, and advice
// that changes nothing.
#include <sys/mman.h>

#include "guest.h"

int main() {
  auto* map = static_cast<char*>(
      mmap(nullptr, 8 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  memset(map, 'a', 8 * 4096);
  CHECK(madvise(map + 4096, 2 * 4096, MADV_DONTNEED) == 0);
  Say("anonymous: %d %d %d %d", map[4095], map[4096], map[3 * 4096 - 1], map[3 * 4096]);

  WriteFile("data", Pattern(4 * 4096));
  int fd = open("data", O_RDWR);
  auto* file =
      static_cast<char*>(mmap(nullptr, 4 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0));
  uint64_t before = Digest(file, 4 * 4096);
  memset(file, 'p', 4 * 4096);
  CHECK(madvise(file, 2 * 4096, MADV_DONTNEED) == 0);
  Say("private file pages are back: %d, rest %c", memcmp(file, Pattern(4 * 4096).data(), 8192) == 0,
      file[8192]);
  CHECK(madvise(file, 4 * 4096, MADV_DONTNEED) == 0);
  Say("all back: %d", before == Digest(file, 4 * 4096));
  CHECK(pwrite(fd, "changed", 7, 0) == 7);
  memset(file, 'q', 100);
  CHECK(madvise(file, 4096, MADV_DONTNEED) == 0);
  Say("with the file's new contents: [%.7s]", file);
  CHECK(munmap(file, 4 * 4096) == 0);

  auto* shared =
      static_cast<char*>(mmap(nullptr, 4 * 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
  shared[5] = '!';
  CHECK(madvise(shared, 4096, MADV_DONTNEED) == 0);
  Say("shared keeps: [%.7s]", shared);

  CHECK(munmap(shared, 4 * 4096) == 0);
  memset(map, 'f', 8 * 4096);
  CHECK(madvise(map, 8 * 4096, MADV_FREE) == 0);
  int freed = 0, kept = 0;
  for (int page = 0; page < 8; ++page) (map[page * 4096] == 0 ? freed : kept)++;
  Vary("after MADV_FREE %d zero, %d kept", freed, kept);
  map[0] = 'w';
  Say("written after MADV_FREE: %c", map[0]);
  CHECK(madvise(map, 8 * 4096, MADV_WILLNEED) == 0 && madvise(map, 8 * 4096, MADV_RANDOM) == 0);
  CHECK(madvise(map, 8 * 4096, 9999) == -1 && errno == EINVAL);
  CHECK(madvise(map, 8 * 4096, MADV_DONTFORK) == 0);
  InChild([&] {
    unsigned char present;
    Say("not in the child: %d", mincore(map, 4096, &present) == -1 && errno == ENOMEM);
  });
  CHECK(madvise(map, 8 * 4096, MADV_DOFORK) == 0);
  if (madvise(map, 8 * 4096, MADV_WIPEONFORK) == 0) {
    InChild([&] { Say("wiped in the child: %d", map[0]); });
  }
  Say("not here: %c", map[0]);
}
