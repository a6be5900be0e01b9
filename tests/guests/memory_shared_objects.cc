// R02: shared memory without a name (memfd), mapped more than once in one process.
#include <sys/mman.h>

#include "guest.h"

int main() {
  int fd = memfd_create("guest", MFD_CLOEXEC);
  CHECK(fd >= 0 && ftruncate(fd, 8192) == 0);
  auto* one = static_cast<char*>(mmap(nullptr, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
  auto* two = static_cast<char*>(mmap(nullptr, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
  CHECK(one != MAP_FAILED && two != MAP_FAILED);
  memcpy(one, "through one", 12);
  Say("[%s]", two);
  CHECK(pwrite(fd, "by pwrite", 10, 4096) == 10);
  Say("[%s]", one + 4096);
}
