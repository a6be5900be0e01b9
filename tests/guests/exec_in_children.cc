// R04: many children that each exec, at the same time, and a pipeline of four of them.
#include "guest.h"

static int Main(int in, int out, const char* const args[]) {
  return Child([=] {
    if (in >= 0) dup2(in, 0);
    if (out >= 0) dup2(out, 1);
    for (int fd = 3; fd < 100; ++fd) close(fd);
    execvp(args[0], const_cast<char* const*>(args));
    _exit(98);
  });
}

int main() {
  for (int i = 0; i < 20; ++i) {
    const char* const args[] = {"sh", "-c", "exit $1", "sh", "7", nullptr};
    Main(-1, -1, args);
  }
  int status, sum = 0;
  while (wait(&status) > 0) sum += WEXITSTATUS(status);
  Say("sum of statuses %d", sum);
  int a[2], b[2], c[2];
  CHECK(pipe(a) == 0 && pipe(b) == 0 && pipe(c) == 0);
  const char* const produce[] = {"seq", "1", "30000", nullptr};
  const char* const filter[] = {"grep", "7", nullptr};
  const char* const sort[] = {"sort", "-rn", nullptr};
  const char* const count[] = {"wc", nullptr};
  Main(-1, a[1], produce);
  Main(a[0], b[1], filter);
  Main(b[0], c[1], sort);
  Main(c[0], -1, count);
  for (auto& ends : {a, b, c}) {
    close(ends[0]);
    close(ends[1]);
  }
  while (wait(&status) > 0) CHECK(status == 0);
}
