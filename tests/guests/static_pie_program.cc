// R03: a static position-independent program: relocates itself.
//! link: static-pie
#include <time.h>

#include "guest.h"

int main() {
  timespec now;
  CHECK(clock_gettime(CLOCK_REALTIME, &now) == 0);
  Vary("%p %ld", reinterpret_cast<void*>(&main), now.tv_nsec);
  InChild([] { Say("child"); });
  Say("parent");
}
