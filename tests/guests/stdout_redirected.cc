// R01: output that the program itself sends to a file is not shown again, and its own pipe's reader
// sees it.
#include "guest.h"

int main() {
  Say("before");
  fflush(stdout);
  int saved = dup(1);
  CHECK(freopen("captured", "w", stdout) != nullptr);
  printf("into the file\n");
  fflush(stdout);
  CHECK(dup2(saved, 1) == 1);
  Say("file holds [%s]", ReadFile("captured").c_str());
  int ends[2];
  CHECK(pipe(ends) == 0);
  pid_t child = Child([&] {
    dup2(ends[1], 1);
    close(ends[0]);
    close(ends[1]);
    Say("from the child");
  });
  close(ends[1]);
  std::string got = ReadAll(ends[0]);
  CHECK(WaitFor(child) == 0);
  Say("pipe held [%s]", got.c_str());
}
