// R05: file locks that another holder keeps: F_SETLKW, F_OFD_SETLKW and flock block one thread
// only.
//! link: threads
#include <sys/file.h>

#include "thread_guest.h"

int main() {
  WriteFile("locked", "contents");
  int one = open("locked", O_RDWR), two = open("locked", O_RDWR);
  CHECK(flock(one, LOCK_EX) == 0);
  Blocked(
      "flock", {{}, {}}, [&] { return flock(two, LOCK_EX); },
      [&] { CHECK(flock(one, LOCK_UN) == 0); });
  CHECK(flock(two, LOCK_UN) == 0);

  Room request(sizeof(struct flock));
  auto* lock = request.as<struct flock>();
  struct flock held = {};
  held.l_type = F_WRLCK;
  held.l_whence = SEEK_SET;
  held.l_len = 10;
  CHECK(fcntl(one, F_OFD_SETLK, &held) == 0);
  *lock = held;
  Blocked(
      "F_OFD_SETLKW", {{}, {&request}}, [&] { return fcntl(two, F_OFD_SETLKW, lock); },
      [&] {
        held.l_type = F_UNLCK;
        CHECK(fcntl(one, F_OFD_SETLK, &held) == 0);
      });
  lock->l_type = F_UNLCK;
  CHECK(fcntl(two, F_OFD_SETLK, lock) == 0);

  int go[2], ready[2];
  CHECK(pipe(go) == 0 && pipe(ready) == 0);
  pid_t child = Child([&] {
    struct flock mine = {};
    mine.l_type = F_WRLCK;
    mine.l_whence = SEEK_SET;
    mine.l_start = 4;
    mine.l_len = 2;
    CHECK(fcntl(one, F_SETLK, &mine) == 0);
    CHECK(write(ready[1], "r", 1) == 1);
    char byte;
    CHECK(read(go[0], &byte, 1) == 1);
  });
  char byte;
  CHECK(read(ready[0], &byte, 1) == 1);
  struct flock asked = {};
  asked.l_type = F_WRLCK;
  asked.l_whence = SEEK_SET;
  CHECK(fcntl(two, F_GETLK, &asked) == 0);
  Say("held by the child %d, from %ld, %ld bytes", asked.l_pid == child, (long)asked.l_start,
      (long)asked.l_len);
  request.Reset();
  *lock = {};
  lock->l_type = F_RDLCK;
  lock->l_whence = SEEK_SET;
  Blocked(
      "F_SETLKW", {{}, {&request}}, [&] { return fcntl(two, F_SETLKW, lock); },
      [&] { CHECK(write(go[1], "g", 1) == 1); });
  CHECK(WaitFor(child) == 0);
}
