// R01: the kernel itself grows the stack: read() into a megabyte of it that was never touched.
#include "guest.h"

__attribute__((noinline)) static void Read(int fd) {
  char buffer[1 << 20];
  asm volatile("" : : "r"(buffer) : "memory");
  size_t done = 0;
  while (done < sizeof(buffer)) {
    ssize_t got = read(fd, buffer + done, sizeof(buffer) - done);
    CHECK(got > 0);
    done += got;
  }
  Say("digest %016lx", Digest(buffer, sizeof(buffer)));
}

int main() {
  WriteFile("data", Pattern(1 << 20));
  int fd = open("data", O_RDONLY);
  Read(fd);
}
