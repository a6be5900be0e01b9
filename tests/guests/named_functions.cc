// R10: functions whose names a divergence report must show.
#include <sys/syscall.h>
#include <sys/uio.h>

#include "guest.h"

static volatile int depth;
// Filled once and never looked at: an alteration of it shows in a hash of memory only.
static char kept[64];

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
  WriteFile("data", Pattern(64));
  iovec piece = {kept, sizeof(kept)};
  CHECK(preadv(open("data", O_RDONLY), &piece, 1, 0) == 64);
  WriteFile("word", "word");
  char word[5] = {};
  CHECK(pread(open("word", O_RDONLY), word, 4, 0) == 4);
  Say("a %s", word);
  // What it reads comes back as a path, and, behind what a trace keeps for people to read, as
  // contents of a file.
  CHECK(symlink("word", "link") == 0);
  char path[16] = {};
  CHECK(readlinkat(AT_FDCWD, "link", path, sizeof path - 1) == 4);
  CHECK(open(path, O_RDONLY) >= 0);
  WriteFile("long", Pattern(200));
  char contents[200];
  iovec halves[] = {{contents + 100, 100}, {contents, 100}};
  CHECK(readv(open("long", O_RDONLY), halves, 2) == 200);
  WriteFile("copy", std::string(contents, sizeof contents));
  for (int i = 0; i < 5; ++i) OutermostFunction();
  Say("end");
}
