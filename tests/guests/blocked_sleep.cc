// R05: sleeps ended by a signal write the time that is left, while another thread looks; sleeps
// that end by themselves leave it alone.
//! link: threads
#include "thread_guest.h"

static std::atomic<int> handled;

int main() {
  Handle(
      SIGUSR1, [](int) { handled = handled + 1; }, SA_RESTART);
  Room left(sizeof(timespec));
  pthread_t main_thread = pthread_self();
  (void)main_thread;
  pid_t sleeper = 0;
  auto poke = [&] { CHECK(syscall(SYS_tgkill, getpid(), sleeper, SIGUSR1) == 0); };
  auto note = [&] { sleeper = static_cast<pid_t>(syscall(SYS_gettid)); };
  timespec request = {100, 0};
  Blocked(
      "nanosleep", {{&left}, {}, true},
      [&] {
        note();
        return nanosleep(&request, left.as<timespec>());
      },
      poke);
  Say("time left: %d", left.as<timespec>()->tv_sec == 99);
  left.Reset();
  Blocked(
      "clock_nanosleep", {{&left}, {}, true},
      [&] {
        note();
        return clock_nanosleep(CLOCK_MONOTONIC, 0, &request, left.as<timespec>());
      },
      poke);
  Say("time left: %d", left.as<timespec>()->tv_sec == 99);
  left.Reset();
  timespec deadline;
  CHECK(clock_gettime(CLOCK_REALTIME, &deadline) == 0);
  deadline.tv_sec += 100;
  Blocked(
      "absolute", {{&left}, {}},
      [&] {
        note();
        return clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &deadline, left.as<timespec>());
      },
      poke);
  left.Reset();
  request = {0, 40'000'000};
  Blocked(
      "to its end", {{&left}, {}}, [&] { return nanosleep(&request, left.as<timespec>()); }, [] {});
  Say("handled %d", handled.load());
}
