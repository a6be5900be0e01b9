// R07: every clock there is, by the library (vDSO) and by the raw call, with resolutions; they go
// forward and agree with each other.
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/times.h>
#include <sys/timex.h>
#include <time.h>

#include "guest.h"

static int64_t Nanoseconds(const timespec& t) { return t.tv_sec * 1'000'000'000 + t.tv_nsec; }

int main() {
  for (int clock = 0; clock < 12; ++clock) {
    timespec a = {}, b = {}, resolution = {};
    int result = clock_gettime(clock, &a);
    if (result != 0) {
      Say("clock %d: errno %d", clock, errno);
      continue;
    }
    long raw = syscall(SYS_clock_gettime, clock, &b);
    clock_getres(clock, &resolution);
    Say("clock %d: raw %ld, forward %d", clock, raw,
        clock == CLOCK_REALTIME || clock == CLOCK_TAI || Nanoseconds(b) >= Nanoseconds(a));
    Vary("%ld.%09ld %ld.%09ld resolution %ld", a.tv_sec, a.tv_nsec, b.tv_sec, b.tv_nsec,
         resolution.tv_nsec);
  }
  timeval tv = {};
  struct timezone zone = {};
  CHECK(gettimeofday(&tv, nullptr) == 0);
  CHECK(syscall(SYS_gettimeofday, &tv, &zone) == 0);
  timespec real;
  CHECK(clock_gettime(CLOCK_REALTIME, &real) == 0);
  Say("gettimeofday agrees %d", real.tv_sec - tv.tv_sec <= 5);
  time_t seconds = 0;
  CHECK(time(&seconds) == seconds && time(nullptr) >= seconds);
  Say("time agrees %d", seconds - tv.tv_sec <= 5 && tv.tv_sec - seconds <= 5);
  Vary("%ld %ld.%06ld", static_cast<long>(seconds), tv.tv_sec, tv.tv_usec);
  tms used;
  Vary("times %ld, clock %ld", static_cast<long>(times(&used)), static_cast<long>(clock()));
  timex state = {};
  Vary("adjtimex %d", adjtimex(&state));
  clockid_t own;
  CHECK(clock_getcpuclockid(getpid(), &own) == 0);
  timespec cpu;
  CHECK(clock_gettime(own, &cpu) == 0);
  Vary("own cpu clock %ld", cpu.tv_nsec);
  CHECK(syscall(SYS_clock_gettime, CLOCK_REALTIME, BadPointer()) == -1);
  Say("bad pointer: errno %d", errno);
  uint64_t digest = 0;
  for (int i = 0; i < 2000; ++i) {
    timespec t;
    clock_gettime(i % 2 ? CLOCK_MONOTONIC : CLOCK_REALTIME, &t);
    digest = Digest(&t, sizeof(t), digest);
  }
  Vary("digest of 2000 readings %016lx", digest);
}
