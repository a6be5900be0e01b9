// R05: an event loop of three threads on one epoll: edge-triggered, one-shot with re-arming,
// exclusive; a timer, a counter and pipes as sources.
//! link: threads
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>

#include "thread_guest.h"

int main() {
  int poller = epoll_create1(EPOLL_CLOEXEC);
  int pipes[4][2];
  for (uint32_t i = 0; i < 4; ++i) {
    CHECK(pipe2(pipes[i], O_NONBLOCK) == 0);
    epoll_event event = {};
    event.events = EPOLLIN | EPOLLET;
    if (i % 2 == 0) event.events |= EPOLLONESHOT;
    event.data.u32 = i;
    CHECK(epoll_ctl(poller, EPOLL_CTL_ADD, pipes[i][0], &event) == 0);
  }
  int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
  epoll_event event = {};
  event.events = EPOLLIN | EPOLLET;
  event.data.u32 = 100;
  CHECK(epoll_ctl(poller, EPOLL_CTL_ADD, timer, &event) == 0);
  itimerspec often = {{0, 1'000'000}, {0, 1'000'000}};
  CHECK(timerfd_settime(timer, 0, &often, nullptr) == 0);
  int stop = eventfd(0, EFD_NONBLOCK);
  event.events = EPOLLIN;  // level: all are told
  event.data.u32 = 200;
  CHECK(epoll_ctl(poller, EPOLL_CTL_ADD, stop, &event) == 0);

  std::atomic<long> bytes[4];
  for (auto& count : bytes) count = 0;
  std::atomic<long> ticks{0};
  std::atomic<uint64_t> order{0};
  std::vector<std::unique_ptr<Thread>> workers;
  for (int self = 0; self < 3; ++self) {
    workers.push_back(std::make_unique<Thread>([&, self] {
      for (;;) {
        Room room(2 * sizeof(epoll_event));
        int got = epoll_wait(poller, room.as<epoll_event>(), 2, 5000);
        CHECK(got > 0);
        room.CheckCanaries();
        for (int k = 0; k < got; ++k) {
          epoll_event happened = room.as<epoll_event>()[k];
          uint32_t source = happened.data.u32;
          if (source == 200) return;
          order = order * 31 + source * 3 + self;
          if (source == 100) {
            uint64_t expired;
            if (read(timer, &expired, 8) == 8) ticks += expired;
            continue;
          }
          char buffer[7];
          for (ssize_t some; (some = read(pipes[source][0], buffer, sizeof(buffer))) > 0;)
            bytes[source] += some;
          if (source % 2 == 0) {
            happened.events = EPOLLIN | EPOLLET | EPOLLONESHOT;
            CHECK(epoll_ctl(poller, EPOLL_CTL_MOD, pipes[source][0], &happened) == 0);
          }
        }
      }
    }));
  }
  for (int i = 0; i < 60; ++i) {
    std::string text(static_cast<size_t>(i % 13 + 1), 'x');
    CHECK(write(pipes[i % 4][1], text.data(), text.size()) == static_cast<ssize_t>(text.size()));
    if (i % 9 == 0) usleep(1000);
  }
  while (bytes[0] + bytes[1] + bytes[2] + bytes[3] < 413 || ticks < 3) {
    usleep(1000);
    if (ticks > 4000) break;
  }
  CHECK(eventfd_write(stop, 1) == 0);
  workers.clear();
  Say("bytes %ld %ld %ld %ld", bytes[0].load(), bytes[1].load(), bytes[2].load(), bytes[3].load());
  Vary("ticks %ld, order %016lx", ticks.load(), static_cast<unsigned long>(order.load()));
}
