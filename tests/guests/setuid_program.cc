// R01: a program that becomes another user: when root, drops privilege and sees what it can't do;
// for others says so.
#include <grp.h>
#include <sys/stat.h>

#include "guest.h"

int main() {
  if (geteuid() != 0) {
    Say("not root");
    return 0;
  }
  WriteFile("private", "secret");
  CHECK(chmod("private", 0600) == 0);
  InChild([] {
    CHECK(setgroups(0, nullptr) == 0 && setresgid(65534, 65534, 65534) == 0 &&
          setresuid(65534, 65534, 65534) == 0);
    uid_t real, effective, saved;
    CHECK(getresuid(&real, &effective, &saved) == 0);
    Say("now %d %d %d", real, effective, saved);
    int fd = open("private", O_RDONLY);
    Say("private file: %d errno %d", fd, errno);
    Say("back: %d", setuid(0));
  });
}
