// R01: executing a set-uid program: it runs without the privilege (retake can't record it
// otherwise).
//! differs: natively it gets the privilege
#include <sys/stat.h>

#include "guest.h"

int main(int argc, char** argv) {
  if (argc > 1) {
    Say("real %s effective", getuid() == geteuid() ? "is" : "is not");
    return 0;
  }
  if (geteuid() != 0) {
    Say("real is effective");
    return 0;
  }
  std::string self = ReadFile(argv[0]);
  CHECK(chmod(".", 0755) == 0);
  WriteFile("suid", self);
  CHECK(chmod("suid", 04755) == 0);
  InChild([] {
    CHECK(setresgid(65534, 65534, 65534) == 0 && setresuid(65534, 65534, 65534) == 0);
    execl("./suid", "suid", "inner", nullptr);
    Say("can't: errno %d", errno);
  });
}
