// R01: six megabytes of stack, touched page by page, then a call that writes far below.
#include "guest.h"

static uint64_t Deep(int level, char* out) {
  volatile char space[64 * 1024];
  for (int i = 0; i < 64 * 1024; i += 512) space[i] = static_cast<char>(level + i);
  if (level == 0) {
    int fd = open("/dev/zero", O_RDONLY);
    CHECK(read(fd, out, 4096) == 4096);
    close(fd);
    return 1;
  }
  uint64_t below = Deep(level - 1, out);
  return below * 31 + static_cast<unsigned char>(space[512 * (level % 100)]);
}

int main() {
  char buffer[4096];
  memset(buffer, 'x', sizeof(buffer));
  Say("sum %lu, last byte %d", Deep(96, buffer), buffer[4095]);
}
