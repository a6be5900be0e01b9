// R04: fexecve and execveat: by descriptor, relative to a directory, from memory.
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "guest.h"

int main(int argc, char** argv) {
  if (argc > 1) {
    Say("ran as %s", argv[1]);
    return 0;
  }
  int fd = open(argv[0], O_RDONLY | O_CLOEXEC);
  char name[] = "guest";
  auto args = [&](const char* how) {
    static char* list[3];
    list[0] = name;
    list[1] = const_cast<char*>(how);
    return list;
  };
  InChild([&] { fexecve(fd, args("fexecve"), environ); });
  std::string data = ReadFile(argv[0]);
  WriteFile("copy", data);
  CHECK(chmod("copy", 0700) == 0);
  int dir = open(".", O_RDONLY | O_DIRECTORY);
  InChild([&] { syscall(SYS_execveat, dir, "copy", args("execveat"), environ, 0); });
  int memory = memfd_create("program", 0);
  CHECK(write(memory, data.data(), data.size()) == static_cast<ssize_t>(data.size()));
  InChild([&] { syscall(SYS_execveat, memory, "", args("from memory"), environ, AT_EMPTY_PATH); });
  CHECK(unlink("copy") == 0);
  CHECK(syscall(SYS_execveat, dir, "copy", args("deleted"), environ, 0) == -1);
  Say("deleted: errno %d", errno);
}
