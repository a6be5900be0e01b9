// R01: a program that closes its standard output, and one that was started without.
//! case: itself itself
//! case: before before
//! stdout: closed-if-before
#include "guest.h"

int main() {
  int wrote = write(1, "", 0);
  dprintf(2, "fd 1 at start: %s\n", wrote == 0 ? "open" : "closed");
  close(1);
  CHECK(write(1, "x", 1) == -1 && errno == EBADF);
  int fd = open("a_file", O_WRONLY | O_CREAT, 0644);
  dprintf(2, "next descriptor is %d\n", fd);
  CHECK(write(fd, "kept\n", 5) == 5);
}
