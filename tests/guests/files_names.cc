// R02: names: rename, link, symlink, unlink, mkdir, rmdir, chdir, and files used after deletion.
#include <sys/stat.h>

#include "guest.h"

int main() {
  CHECK(mkdir("dir", 0755) == 0 && mkdir("dir/sub", 0700) == 0);
  WriteFile("dir/a", "contents of a");
  CHECK(rename("dir/a", "dir/sub/b") == 0);
  CHECK(link("dir/sub/b", "hard") == 0 && symlink("dir/sub/b", "soft") == 0);
  char target[100] = {};
  CHECK(readlink("soft", target, sizeof(target)) == 9);
  Say("soft -> %s", target);
  struct stat status;
  CHECK(lstat("soft", &status) == 0);
  Say("symlink size %ld", static_cast<long>(status.st_size));
  CHECK(stat("hard", &status) == 0);
  Say("links %lu", static_cast<unsigned long>(status.st_nlink));
  int fd = open("hard", O_RDWR);
  CHECK(unlink("hard") == 0 && unlink("dir/sub/b") == 0);
  Say("after deletion: [%s]", ReadAll(fd).c_str());
  CHECK(fstat(fd, &status) == 0);
  Say("links %lu", static_cast<unsigned long>(status.st_nlink));
  CHECK(access("soft", F_OK) == -1);
  CHECK(chdir("dir/sub") == 0);
  char* where = getcwd(nullptr, 0);
  Say("in %s", strrchr(where, '/'));
  WriteFile("here", "x");
  CHECK(chdir("../..") == 0);
  CHECK(rmdir("dir/sub") == -1 && errno == ENOTEMPTY);
  CHECK(unlink("dir/sub/here") == 0 && rmdir("dir/sub") == 0 && rmdir("dir") == 0);
  CHECK(unlink("soft") == 0);
  umask(027);
  WriteFile("masked", "");
  CHECK(chmod("masked", 0604) == 0 && stat("masked", &status) == 0);
  Say("mode %o, umask %o", status.st_mode & 0777, umask(0));
  CHECK(truncate("masked", 5) == 0 && stat("masked", &status) == 0);
  timespec times[2] = {{1'000'000'000, 5}, {1'100'000'000, 7}};
  CHECK(utimensat(AT_FDCWD, "masked", times, 0) == 0 && stat("masked", &status) == 0);
  Say("size %ld mtime %ld.%ld", static_cast<long>(status.st_size), status.st_mtim.tv_sec,
      status.st_mtim.tv_nsec);
}
