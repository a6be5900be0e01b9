// R02: a private file mapping, written to: the file doesn't see it, nor does a second mapping.
#include <sys/mman.h>

#include "guest.h"

int main() {
  WriteFile("data", Pattern(3 * 4096 + 100));
  int fd = open("data", O_RDONLY);
  size_t size = 3 * 4096 + 100;
  auto* one = static_cast<char*>(mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0));
  auto* two = static_cast<char*>(mmap(nullptr, 4096, PROT_READ, MAP_PRIVATE, fd, 8192));
  CHECK(one != MAP_FAILED && two != MAP_FAILED);
  close(fd);
  Say("digest %016lx", Digest(one, size));
  memset(one + 4000, 'x', 5000);
  Say("digest %016lx, second map %016lx", Digest(one, size), Digest(two, 4096));
  Say("tail after the end of file is zero: %d", one[size] == 0 && one[4 * 4096 - 1] == 0);
  CHECK(munmap(one, 8192) == 0);
  Say("rest %016lx", Digest(one + 8192, 4096));
  CHECK(unlink("data") == 0);
  Say("after unlink %016lx", Digest(two, 4096));
}
