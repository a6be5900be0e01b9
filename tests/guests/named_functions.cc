// R10: functions whose names a divergence report must show.
#include <sys/syscall.h>

#include "guest.h"

static volatile int depth;

extern "C" {
__attribute__((noinline)) void InnermostFunction() {
  syscall(SYS_getppid);
  char buffer[8];
  int fd = open("/dev/zero", O_RDONLY);
  CHECK(read(fd, buffer, 8) == 8);
  CHECK(write(1, "in\n", 3) == 3);
  close(fd);
  depth = depth - 1;
}
__attribute__((noinline)) void MiddleFunction() {
  depth = depth + 1;
  InnermostFunction();
  depth = depth + 0;
}
__attribute__((noinline)) void OutermostFunction() {
  depth = depth + 1;
  MiddleFunction();
  depth = depth - 1;
}
}

int main() {
  for (int i = 0; i < 5; ++i) OutermostFunction();
  Say("end");
}
