// R01: a hundred thousand small calls of several kinds: sections of the trace fill up and close.
#include <sys/syscall.h>

#include "guest.h"

int main() {
  WriteFile("data", Pattern(100'000));
  int fd = open("data", O_RDONLY);
  uint64_t digest = 0;
  char buffer[64];
  const int rounds = Times(25'000);
  for (int i = 0; i < rounds; ++i) {
    CHECK(pread(fd, buffer, sizeof(buffer), i % 99'000) == 64);
    digest = Digest(buffer, sizeof(buffer), digest);
    syscall(SYS_getpid);
    CHECK(lseek(fd, i, SEEK_SET) == i);
    CHECK(access("data", R_OK) == 0);
    if (i % 2500 == 0) Say("at %d", i);
  }
  Say("digest %016lx", digest);
}
