// R10: maps a file and acts on its contents, so that an altered blob leads elsewhere.
#include <sys/mman.h>

#include "guest.h"

int main() {
  std::string letters(8192, 'a');
  WriteFile("mapped", letters);
  int fd = open("mapped", O_RDONLY);
  auto* map = static_cast<char*>(mmap(nullptr, 8192, PROT_READ, MAP_PRIVATE, fd, 0));
  CHECK(map != MAP_FAILED);
  int count = 0;
  for (int i = 0; i < 8192; ++i) count += map[i] == 'a';
  // The count reaches a register of this call.
  CHECK(lseek(fd, count, SEEK_SET) == count);
  Say("counted %d", count);
}
