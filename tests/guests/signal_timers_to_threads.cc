// R06: timers that start a thread (SIGEV_THREAD), signal one thread (SIGEV_THREAD_ID) or the
// process, while the main thread makes calls.
//! link: threads
#include "thread_guest.h"

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

static std::atomic<int> by_thread, by_signal, in_right_thread;
static std::atomic<pid_t> wanted;

int main() {
  sigevent event = {};
  event.sigev_notify = SIGEV_THREAD;
  event.sigev_value.sival_int = 5;
  event.sigev_notify_function = [](sigval value) { by_thread += value.sival_int; };
  timer_t timer;
  CHECK(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
  itimerspec soon = {{0, 2'000'000}, {0, 2'000'000}};
  CHECK(timer_settime(timer, 0, &soon, nullptr) == 0);
  while (by_thread < 15) usleep(500);
  CHECK(timer_delete(timer) == 0);
  Say("three times %d", by_thread >= 15);

  Handle(
      SIGRTMIN + 4,
      [](int) {
        by_signal = by_signal + 1;
        if (syscall(SYS_gettid) == wanted) in_right_thread = in_right_thread + 1;
      },
      SA_RESTART);
  std::atomic<bool> stop{false};
  Thread target([&] {
    while (!stop) usleep(1000);
  });
  wanted = target.tid();
  event = {};
  event.sigev_notify = SIGEV_THREAD_ID;
  event.sigev_signo = SIGRTMIN + 4;
  event.sigev_notify_thread_id = target.tid();
  CHECK(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
  CHECK(timer_settime(timer, 0, &soon, nullptr) == 0);
  while (by_signal < 5) usleep(1000);
  CHECK(timer_delete(timer) == 0);
  stop = true;
  target.Join();
  Say("all in the right thread %d", in_right_thread == by_signal);
  Vary("%d", by_signal.load());
}
