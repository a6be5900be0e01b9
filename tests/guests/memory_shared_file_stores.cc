// R02: a shared file mapping written by stores: read() and the file see it.
#include <sys/mman.h>

#include "guest.h"

int main() {
  WriteFile("data", Pattern(8192));
  int fd = open("data", O_RDWR);
  auto* map = static_cast<char*>(mmap(nullptr, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
  CHECK(map != MAP_FAILED);
  memcpy(map + 4090, "across a page", 13);
  char back[14] = {};
  CHECK(pread(fd, back, 13, 4090) == 13);
  Say("read back [%s]", back);
  CHECK(msync(map, 8192, MS_SYNC) == 0);
  auto* again = static_cast<char*>(mmap(nullptr, 8192, PROT_READ, MAP_SHARED, fd, 0));
  Say("second map sees it: %d", memcmp(map, again, 8192) == 0);
  map[0] = 'Z';
  Say("and at once: %c", again[0]);
  CHECK(munmap(map, 8192) == 0);
  Say("digest %016lx", Digest(again, 8192));
}
