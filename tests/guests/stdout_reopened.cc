// R01: standard output reached by other ways than descriptor 1: dup, /proc/self/fd/1, /dev/stdout,
// /dev/fd/1, a copy kept while 1 is closed. What it *is* decides, not its number.
#include "guest.h"

static void Through(const char* path) {
  int fd = open(path, O_WRONLY | O_APPEND);
  if (fd < 0) {
    Say("%s: errno %d", path, errno);
    return;
  }
  dprintf(fd, "through %s\n", path);
  close(fd);
}

int main() {
  int copy = dup(1);
  dprintf(copy, "through a copy\n");
  Through("/proc/self/fd/1");
  Through("/dev/stdout");
  Through("/dev/fd/1");
  int high = fcntl(1, F_DUPFD_CLOEXEC, 500);
  dprintf(high, "through %d\n", high);
  close(1);
  dprintf(copy, "while 1 is closed\n");
  CHECK(open("elsewhere", O_WRONLY | O_CREAT, 0644) == 1);
  Say("this goes to a file and isn't shown");
  CHECK(dup2(copy, 1) == 1);
  Say("back again");
  CHECK(dup2(2, 7) == 7);
  dprintf(7, "to stderr through 7\n");
  CHECK(dup3(1, 2, O_CLOEXEC) == 2);
  dprintf(2, "stderr made stdout\n");
}
