// R02: files read, written, truncated, extended and read back.
#include <sys/stat.h>

#include "guest.h"

int main() {
  int fd = open("data", O_RDWR | O_CREAT | O_EXCL, 0640);
  CHECK(fd >= 0);
  for (int i = 0; i < Times(1000, 100); ++i) dprintf(fd, "line %d\n", i);
  struct stat status;
  CHECK(fstat(fd, &status) == 0);
  Say("size %ld mode %o", static_cast<long>(status.st_size), status.st_mode & 07777);
  Vary("inode %lu mtime %ld.%09ld", status.st_ino, status.st_mtim.tv_sec, status.st_mtim.tv_nsec);
  CHECK(ftruncate(fd, 100) == 0);
  CHECK(lseek(fd, 200, SEEK_SET) == 200);
  CHECK(write(fd, "end", 3) == 3);
  std::string all = ReadFile("data");
  Say("now %zu bytes, digest %016lx", all.size(), Digest(all.data(), all.size()));
  CHECK(pwrite(fd, "MIDDLE", 6, 50) == 6);
  char part[10] = {};
  CHECK(pread(fd, part, 9, 48) == 9);
  Say("part [%s]", part);
  CHECK(fallocate(fd, 0, 0, 10'000) == 0);
  CHECK(fstat(fd, &status) == 0);
  Say("allocated to %ld", static_cast<long>(status.st_size));
  CHECK(fsync(fd) == 0 && fdatasync(fd) == 0);
  CHECK(open("data", O_RDWR | O_CREAT | O_EXCL, 0640) == -1 && errno == EEXIST);
  CHECK(open("absent", O_RDONLY) == -1 && errno == ENOENT);
}
