// R04: scripts by #!, also through an interpreter that is a script's interpreter, with an argument.
#include <sys/stat.h>

#include "guest.h"

int main(int argc, char** argv) {
  if (argc > 1 && std::string(argv[1]) == "interpret") {
    Say("interpreting %s for %s", argv[2], argc > 3 ? argv[3] : "nobody");
    return 21;
  }
  WriteFile("script", "#!/bin/sh -e\necho \"script $1\"\nexec /bin/echo echoed\n");
  WriteFile("own", std::string("#!") + argv[0] + " interpret\n");
  CHECK(chmod("script", 0755) == 0 && chmod("own", 0755) == 0);
  pid_t pid = Child([] { execl("./script", "script", "argument", nullptr); });
  Say("%s", StatusText(WaitFor(pid)).c_str());
  if (strlen(argv[0]) < 100) {
    pid = Child([] { execl("./own", "own", "somebody", nullptr); });
    CHECK(WEXITSTATUS(WaitFor(pid)) == 21);
  }
}
