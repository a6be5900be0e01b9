// R02: statx, statfs, extended attributes, locks, file times and ownership as the kernel tells
// them.
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <sys/xattr.h>

#include "guest.h"

int main() {
  WriteFile("f", "12345");
  struct statx more;
  CHECK(statx(AT_FDCWD, "f", 0, STATX_ALL, &more) == 0);
  Say("statx size %llu", more.stx_size);
  Vary("btime %lld ino %llu", static_cast<long long>(more.stx_btime.tv_sec), more.stx_ino);
  struct statfs fs;
  CHECK(statfs(".", &fs) == 0);
  Vary("type %lx free %lu", static_cast<long>(fs.f_type), fs.f_bfree);
  int set = setxattr("f", "user.guest", "value", 5, 0);
  if (set == 0) {
    char value[32] = {}, names[200] = {};
    CHECK(getxattr("f", "user.guest", value, sizeof(value)) == 5);
    CHECK(listxattr("f", names, sizeof(names)) > 0);
    Vary("xattr %s %s", names, value);
  } else {
    Vary("no user attributes here: errno %d", errno);
  }
  int fd = open("f", O_RDWR), other = open("f", O_RDWR);
  CHECK(flock(fd, LOCK_EX) == 0);
  CHECK(flock(other, LOCK_EX | LOCK_NB) == -1 && errno == EWOULDBLOCK);
  CHECK(flock(fd, LOCK_UN) == 0);
  struct flock range = {};
  range.l_type = F_WRLCK;
  range.l_len = 3;
  CHECK(fcntl(fd, F_SETLK, &range) == 0);
  InChild([&] {
    struct flock ask = {};
    ask.l_type = F_WRLCK;
    CHECK(fcntl(other, F_GETLK, &ask) == 0);
    Say("locked by parent: %d, from %ld length %ld", ask.l_pid == getppid(),
        static_cast<long>(ask.l_start), static_cast<long>(ask.l_len));
  });
  Say("flags %d", (fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDWR);
  int hidden = open(".", O_TMPFILE | O_RDWR, 0600);
  Vary("unnamed file: %s", hidden >= 0 ? "yes" : "no");
}
