// R01: bytes that reach stdout without passing through the program's memory: sendfile, splice, tee.
#include <sys/sendfile.h>

#include "guest.h"

int main() {
  WriteFile("source", "line from a file\nand its second line\n");
  int fd = open("source", O_RDONLY);
  CHECK(sendfile(1, fd, nullptr, 100) == 37);
  off_t at = 5;
  CHECK(sendfile(1, fd, &at, 100) == 32);
  Say("offset is now %ld", static_cast<long>(at));

  int ends[2], second[2];
  CHECK(pipe(ends) == 0 && pipe(second) == 0);
  CHECK(lseek(fd, 0, SEEK_SET) == 0);
  CHECK(splice(fd, nullptr, ends[1], nullptr, 17, 0) == 17);
  CHECK(tee(ends[0], second[1], 17, 0) == 17);
  ssize_t moved = splice(ends[0], nullptr, 1, nullptr, 17, 0);
  Say("spliced %zd", moved);
  char held[18] = {};
  CHECK(read(second[0], held, 17) == 17);
  Say("the copy holds [%s]", held);
  CHECK(write(ends[1], "by vmsplice's cousin\n", 21) == 21);
  moved = splice(ends[0], nullptr, 1, nullptr, 21, 0);
  Say("spliced %zd", moved);
}
