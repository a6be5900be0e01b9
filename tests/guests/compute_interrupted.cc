// R06: signals into a thread that computes without a call: by another thread, by an interval timer
// at 1 kHz, by a timer of its own CPU time; the handler's writes are seen by the loop it
// interrupts.
//! link: threads
//! case: by_thread by_thread
//! case: by_timer by_timer
//! case: by_cpu_timer by_cpu_timer
//! case: jumps_out jumps_out
#include <setjmp.h>
#include <sys/time.h>

#include "thread_guest.h"

static volatile int handled;
static volatile uint64_t work;
static uint64_t at_signal[64];
static sigjmp_buf back;
static int rounds;

static void OnSignal(int) {
  if (handled < 64) at_signal[handled] = work;
  handled = handled + 1;
}

// Computes until the handler has run `times` times.
__attribute__((noinline)) static void Compute(int times) {
  while (handled < times) work = work * 6364136223846793005u + 1442695040888963407u;
}

int main(int, char** argv) {
  std::string how = argv[1];
  Handle(SIGUSR1, OnSignal, SA_RESTART);
  Handle(SIGALRM, OnSignal, SA_RESTART);
  Handle(SIGPROF, OnSignal, SA_RESTART);
  if (how == "by_thread") {
    const int times = Times(5);
    Thread computes([=] { Compute(times); });
    for (int i = 0; i < times; ++i) {
      int before = handled;
      computes.Signal(SIGUSR1);
      while (handled == before) usleep(500);
    }
  } else if (how == "by_timer" || how == "by_cpu_timer") {
    itimerval often = {{0, 1000}, {0, 1000}};
    int which = how == "by_timer" ? ITIMER_REAL : ITIMER_PROF;
    CHECK(setitimer(which, &often, nullptr) == 0);
    Compute(Times(20, 3));
    often = {};
    CHECK(setitimer(which, &often, nullptr) == 0);
  } else {
    Handle(SIGALRM, [](int) { siglongjmp(back, 1); });
    for (rounds = 0; rounds < 3; ++rounds) {
      itimerval soon = {{0, 0}, {0, 3000}};
      if (sigsetjmp(back, 1) != 0) continue;
      CHECK(setitimer(ITIMER_REAL, &soon, nullptr) == 0);
      for (;;) work = work * 31 + 1;
    }
  }
  Say("enough: %d", handled >= 0);
  Vary("handled %d, digest %016lx, work %016lx", handled,
       static_cast<unsigned long>(Digest(at_signal, sizeof(at_signal))),
       static_cast<unsigned long>(work));
}
