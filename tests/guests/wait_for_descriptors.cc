// R01: poll, ppoll, select, pselect and epoll over pipes, eventfds, timers and signals.
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/select.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>

#include "guest.h"

int main() {
  int ends[2];
  CHECK(pipe(ends) == 0);
  int event = eventfd(3, EFD_NONBLOCK | EFD_SEMAPHORE);
  int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  CHECK(sigprocmask(SIG_BLOCK, &set, nullptr) == 0);
  int signals = signalfd(-1, &set, SFD_NONBLOCK);
  CHECK(event >= 0 && timer >= 0 && signals >= 0);
  pollfd fds[] = {{ends[0], POLLIN, 0}, {event, POLLIN | POLLOUT, 0}, {timer, POLLIN, 0},
                  {signals, POLLIN, 0}, {ends[1], POLLOUT, 0},        {12345, POLLIN, 0},
                  {-1, POLLIN, 0}};
  int polled = poll(fds, 7, 0);
  Say("poll %d: %d %d %d %d %d %d", polled, fds[0].revents, fds[1].revents, fds[2].revents,
      fds[3].revents, fds[4].revents, fds[5].revents);
  itimerspec soon = {{0, 5'000'000}, {0, 20'000'000}};
  CHECK(timerfd_settime(timer, 0, &soon, nullptr) == 0);
  pollfd only = {timer, POLLIN, 0};
  CHECK(ppoll(&only, 1, nullptr, &set) == 1);
  uint64_t expirations = 0;
  CHECK(read(timer, &expirations, 8) == 8);
  Vary("expired %lu", expirations);
  itimerspec now;
  CHECK(timerfd_gettime(timer, &now) == 0);
  Say("interval %ld", now.it_interval.tv_nsec);
  soon = {};
  CHECK(timerfd_settime(timer, 0, &soon, nullptr) == 0);

  int epoll = epoll_create1(EPOLL_CLOEXEC);
  for (int fd : {ends[0], event, signals}) {
    epoll_event interest = {};
    interest.events = EPOLLIN;
    if (fd == event) interest.events |= EPOLLET;
    interest.data.u64 = fd == ends[0] ? 100 : fd == event ? 200 : 300;
    CHECK(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &interest) == 0);
  }
  raise(SIGUSR1);
  pid_t pid = Child([&] {
    usleep(30'000);
    CHECK(write(ends[1], "x", 1) == 1);
  });
  bool seen[4] = {};
  int edge_triggered = 0;
  while (!seen[1] || !seen[2] || !seen[3]) {
    epoll_event ready[8];
    int count = epoll_wait(epoll, ready, 8, 5000);
    CHECK(count > 0);
    for (int i = 0; i < count; ++i) {
      uint64_t which = ready[i].data.u64 / 100;
      seen[which] = true;
      if (which == 2) ++edge_triggered;
      if (which == 3) {
        signalfd_siginfo info;
        if (read(signals, &info, sizeof(info)) == sizeof(info)) Say("signalfd: %u", info.ssi_signo);
      }
    }
  }
  Say("edge triggered once: %d", edge_triggered == 1);
  CHECK(WaitFor(pid) == 0);
  uint64_t one = 0;
  CHECK(read(event, &one, 8) == 8);
  Say("semaphore gives %lu", one);
  fd_set reads, writes;
  FD_ZERO(&reads);
  FD_ZERO(&writes);
  FD_SET(ends[0], &reads);
  FD_SET(signals, &reads);
  FD_SET(ends[1], &writes);
  timeval timeout = {1, 0};
  int count = select(50, &reads, &writes, nullptr, &timeout);
  Say("select %d: %d %d %d", count, FD_ISSET(ends[0], &reads), FD_ISSET(signals, &reads),
      FD_ISSET(ends[1], &writes));
  timespec short_time = {0, 10'000'000};
  FD_ZERO(&reads);
  FD_SET(signals, &reads);
  Say("pselect %d", pselect(50, &reads, nullptr, nullptr, &short_time, &set));
  Say("poll with nothing: %d", poll(nullptr, 0, 10));
}
