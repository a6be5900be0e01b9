// R04: exec that fails leaves the process as it was; every reason gives its own error.
#include <sys/stat.h>

#include "guest.h"

static void Try(const char* path) {
  char* const args[] = {const_cast<char*>("x"), nullptr};
  execve(path, args, environ);
  Say("%s: errno %d", path, errno);
}

int main() {
  Try("/absent");
  Try(".");
  Try("");
  WriteFile("not_executable", "x");
  WriteFile("empty", "");
  WriteFile("garbage", "this is no program");
  WriteFile("bad_interpreter", "#!/absent/interpreter\n");
  WriteFile("truncated_elf", "\177ELF\2\1\1");
  for (const char* path : {"empty", "garbage", "bad_interpreter", "truncated_elf"}) {
    CHECK(chmod(path, 0755) == 0);
  }
  for (const char* path :
       {"not_executable", "empty", "garbage", "bad_interpreter", "truncated_elf"}) {
    Try(path);
  }
  CHECK(execve("garbage", static_cast<char**>(BadPointer()), environ) == -1);
  Say("bad arguments: errno %d", errno);
  CHECK(execve(static_cast<char*>(BadPointer()), environ, environ) == -1);
  Say("bad path: errno %d", errno);
  Say("still the same process");
}
