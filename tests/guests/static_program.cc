// R03: a static program: no loader, no vDSO symbols looked up by one.
//! link: static
#include <time.h>

#include "guest.h"

int main() {
  timespec now;
  CHECK(clock_gettime(CLOCK_REALTIME, &now) == 0);
  Vary("%ld.%09ld", now.tv_sec, now.tv_nsec);
  InChild([] { Say("child"); });
  Say("parent, digest %016lx", Digest(ReadFile("/proc/self/exe").data(), 64));
}
