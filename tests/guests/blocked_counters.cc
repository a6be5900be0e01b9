// R05: reads of eventfd, timerfd, inotify and a terminal that block while another thread looks.
//! link: threads
#include <pty.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/timerfd.h>
#include <termios.h>

#include "thread_guest.h"

int main() {
  Room value(8);
  int counter = eventfd(0, 0);
  Blocked(
      "eventfd", {{&value}, {}}, [&] { return read(counter, value.at(), 8); },
      [&] { CHECK(eventfd_write(counter, 0x0102030405060708) == 0); });
  CHECK(eventfd_write(counter, ~0ull - 1) == 0);
  value.Reset();
  *value.as<uint64_t>() = 5;
  Blocked(
      "full eventfd", {{}, {&value}}, [&] { return write(counter, value.at(), 8); },
      [&] {
        eventfd_t all;
        CHECK(eventfd_read(counter, &all) == 0);
      });
  int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
  value.Reset();
  Blocked(
      "timerfd", {{&value}, {}}, [&] { return read(timer, value.at(), 8); },
      [&] {
        itimerspec soon = {{0, 0}, {0, 1'000'000}};
        CHECK(timerfd_settime(timer, 0, &soon, nullptr) == 0);
      });
  Say("expired %lu", (unsigned long)*value.as<uint64_t>());
  int watcher = inotify_init1(IN_CLOEXEC);
  CHECK(inotify_add_watch(watcher, ".", IN_CREATE) == 1);
  Room events(400);
  Blocked(
      "inotify", {{&events}, {}}, [&] { return read(watcher, events.at(), 400); },
      [] { WriteFile("created", "x"); });
  Say("[%s]", events.as<inotify_event>()->name);

  int main_side, other_side;
  CHECK(openpty(&main_side, &other_side, nullptr, nullptr, nullptr) == 0);
  Room line(30);
  Blocked(
      "terminal line", {{&line}, {}}, [&] { return read(other_side, line.at(), 30); },
      [&] { CHECK(write(main_side, "typed\nmore", 10) == 10); });
  char echo[64];
  ssize_t echoed = read(main_side, echo, sizeof(echo));
  Say("echoed %zd", echoed);
  line.Reset();
  Blocked(
      "terminal's other side", {{&line}, {}}, [&] { return read(main_side, line.at(), 30); },
      [&] { CHECK(write(other_side, "output", 6) == 6); });
}
