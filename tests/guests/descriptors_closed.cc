// R01: a program that closes every descriptor it doesn't know, as daemons do.
#include <sys/syscall.h>

#include "guest.h"

int main() {
  for (int fd = 3; fd < 1024; ++fd) close(fd);
  Say("closed one by one");
  int fd = open("/dev/null", O_RDONLY);
  Say("next is %d", fd);
  long closed = syscall(SYS_close_range, 3, ~0u, 0);
  Say("close_range %ld", closed);
  closefrom(3);
  fd = open("/dev/null", O_RDONLY);
  Say("next is %d", fd);
  InChild([] {
    for (int low = 2; low >= 0; --low) close(low);
    int null = open("/dev/null", O_RDWR);
    _exit(null);
  });
  Say("still writes");
}
