// R04: a child stopped and continued many times, stopping itself too, as a shell would see it.
#include "guest.h"

static volatile sig_atomic_t continued;

int main() {
  int out[2], next[2];
  CHECK(pipe(out) == 0 && pipe(next) == 0);
  pid_t pid = Child([&] {
    Handle(SIGCONT, [](int) { continued = continued + 1; });
    for (int i = 0; i < 5; ++i) {
      raise(SIGSTOP);
      char token;
      CHECK(write(out[1], "w", 1) == 1);
      // Stopping again at once would hide that it was continued.
      CHECK(read(next[0], &token, 1) == 1);
    }
    Say("child continued %d times", continued);
  });
  for (int i = 0; i < 5; ++i) {
    int status;
    CHECK(waitpid(pid, &status, WUNTRACED) == pid);
    Say("%s", StatusText(status).c_str());
    CHECK(kill(pid, SIGCONT) == 0);
    CHECK(waitpid(pid, &status, WCONTINUED) == pid);
    Say("%s", StatusText(status).c_str());
    char token;
    CHECK(read(out[0], &token, 1) == 1);
    CHECK(write(next[1], "n", 1) == 1);
  }
  Say("%s", StatusText(WaitFor(pid)).c_str());
}
