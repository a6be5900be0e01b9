// R01: a parent sees how each child died, for each signal there is.
#include <sys/resource.h>

#include "guest.h"

int main() {
  rlimit none = {0, 0};
  CHECK(setrlimit(RLIMIT_CORE, &none) == 0);
  for (int number = 1; number < 65; ++number) {
    if (number == 32 || number == 33) continue;  // the C library's own
    if (number == SIGSTOP || number == SIGTSTP || number == SIGTTIN || number == SIGTTOU) continue;
    int status = WaitFor(Child([&] {
      signal(number, SIG_DFL);
      kill(getpid(), number);
    }));
    Say("%d: %s", number, StatusText(status).c_str());
  }
}
