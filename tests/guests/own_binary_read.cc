// R02: a program reads and maps its own executable.
#include <sys/mman.h>

#include "guest.h"

int main(int, char** argv) {
  std::string self = ReadFile(argv[0]), again = ReadFile("/proc/self/exe");
  CHECK(self == again);
  int fd = open(argv[0], O_RDONLY);
  void* map = mmap(nullptr, self.size(), PROT_READ, MAP_PRIVATE, fd, 0);
  CHECK(map != MAP_FAILED && memcmp(map, self.data(), self.size()) == 0);
  Say("%zu bytes, digest %016lx", self.size(), Digest(map, self.size()));
  char link[4096] = {};
  CHECK(readlink("/proc/self/exe", link, sizeof(link)) > 0);
  Say("name %s", strrchr(link, '/') + 1);
}
