// R06: SIGALRM and interval timers while blocked in pause, read and sigwait, counting ticks.
#include <sys/time.h>
#include <time.h>

#include "guest.h"

static volatile sig_atomic_t ticks;
static void OnTick(int) { ticks = ticks + 1; }

int main() {
  Handle(SIGALRM, OnTick);
  alarm(1);
  CHECK(pause() == -1 && errno == EINTR);
  Say("alarm woke pause");
  itimerval every = {{0, 10'000}, {0, 10'000}}, off = {};
  CHECK(setitimer(ITIMER_REAL, &every, nullptr) == 0);
  while (ticks < 10) pause();
  int ends[2];
  CHECK(pipe(ends) == 0);
  char byte;
  int interrupted = 0;
  while (interrupted < 5) {
    CHECK(read(ends[0], &byte, 1) == -1 && errno == EINTR);
    ++interrupted;
  }
  itimerval was;
  CHECK(setitimer(ITIMER_REAL, &off, &was) == 0);
  Say("interval was %ld us", was.it_interval.tv_usec);
  Vary("left %ld us, ticks %d", was.it_value.tv_usec, ticks);
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGALRM);
  sigaddset(&set, SIGUSR1);
  CHECK(sigprocmask(SIG_BLOCK, &set, nullptr) == 0);
  CHECK(setitimer(ITIMER_REAL, &every, nullptr) == 0);
  for (int i = 0; i < 3; ++i) {
    siginfo_t info;
    CHECK(sigwaitinfo(&set, &info) == SIGALRM);
    Say("waited for: code %d", info.si_code);
  }
  CHECK(setitimer(ITIMER_REAL, &off, nullptr) == 0);
  timespec none = {0, 1'000'000};
  while (sigtimedwait(&set, nullptr, &none) > 0) {
  }
  Say("timed out: errno %d", errno);
  timer_t timer;
  sigevent event = {};
  event.sigev_notify = SIGEV_SIGNAL;
  event.sigev_signo = SIGUSR1;
  event.sigev_value.sival_int = 5;
  CHECK(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
  itimerspec once = {{0, 0}, {0, 20'000'000}};
  CHECK(timer_settime(timer, 0, &once, nullptr) == 0);
  siginfo_t info;
  CHECK(sigwaitinfo(&set, &info) == SIGUSR1);
  Say("timer: code %d value %d", info.si_code, info.si_value.sival_int);
  CHECK(timer_delete(timer) == 0);
}
