// R05: epoll_wait, epoll_pwait and epoll_pwait2 that block while another thread looks at their
// events; fewer events come than there is room for.
//! link: threads
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "thread_guest.h"

int main() {
  int poller = epoll_create1(EPOLL_CLOEXEC);
  int counters[3];
  for (int i = 0; i < 3; ++i) {
    counters[i] = eventfd(0, 0);
    epoll_event event = {};
    event.events = EPOLLIN | EPOLLET;
    event.data.u64 = 0x1234567800000000u + i;
    CHECK(epoll_ctl(poller, EPOLL_CTL_ADD, counters[i], &event) == 0);
  }
  auto add = [&](int i) { CHECK(eventfd_write(counters[i], 1) == 0); };
  Room events(5 * sizeof(epoll_event));
  Blocked(
      "epoll_wait", {{&events}, {}},
      [&] { return epoll_wait(poller, events.as<epoll_event>(), 5, -1); }, [&] { add(1); });
  events.Reset();
  sigset_t mask;
  sigemptyset(&mask);
  Blocked(
      "epoll_pwait", {{&events}, {}},
      [&] { return epoll_pwait(poller, events.as<epoll_event>(), 5, 10'000, &mask); },
      [&] { add(2); });
  events.Reset();
  timespec timeout = {10, 0};
  Blocked(
      "epoll_pwait2", {{&events}, {}},
      [&] { return epoll_pwait2(poller, events.as<epoll_event>(), 5, &timeout, &mask); },
      [&] { add(0); });
  events.Reset();
  Blocked(
      "epoll_wait that times out", {{&events}, {}},
      [&] { return epoll_wait(poller, events.as<epoll_event>(), 5, 30); }, [] {});
  events.Reset();
  // Edge-triggered: the counters were never read, and only a new edge is told of.
  Say("at once: %d", epoll_wait(poller, events.as<epoll_event>(), 5, 0));
  add(0);
  add(1);
  int got = epoll_wait(poller, events.as<epoll_event>(), 5, 0);
  Say("edges: %d, digest %016lx", got, static_cast<unsigned long>(events.Sum()));
}
