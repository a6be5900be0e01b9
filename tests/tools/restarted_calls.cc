// Threads that each wait once, in each call that the kernel goes on with by restart_syscall after a
// stop: by the library's function, whose code loads the call's number, and by syscall(2), whose
// code doesn't know it. Each says how its wait ended. Ends with the number of those that were
// interrupted, or over sooner than asked.
#include <linux/futex.h>
#include <poll.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <thread>
#include <vector>

namespace {

std::atomic<int> faults = 0;
std::atomic<int> begun = 0;

long long Now() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1'000'000'000LL + now.tv_nsec;
}

int ErrorOf(long result) { return result < 0 ? errno : 0; }

}  // namespace

// With the milliseconds to wait.
int main(int, char** argv) {
  const int milliseconds = atoi(argv[1]);
  const timespec nap{milliseconds / 1000, milliseconds % 1000 * 1'000'000};
  const long long limit = milliseconds * 1'000'000LL;
  int never[2];
  if (pipe(never) != 0) return 2;

  std::vector<std::thread> threads;
  auto start = [&](const char* name, int wanted, std::function<int()> wait) {
    threads.emplace_back([=] {
      ++begun;
      long long begin = Now();
      int error = wait();
      long long took = Now() - begin;
      if (error == wanted && took >= limit) return;
      printf("%s: %s after %lld ms\n", name, strerror(error), took / 1'000'000);
      ++faults;
    });
  };
  start("nanosleep", 0, [&] { return ErrorOf(nanosleep(&nap, nullptr)); });
  start("clock_nanosleep", 0, [&] { return clock_nanosleep(CLOCK_BOOTTIME, 0, &nap, nullptr); });
  start("poll of nothing", 0, [&] { return ErrorOf(poll(nullptr, 0, milliseconds)); });
  start("poll", 0, [&] {
    pollfd readable{.fd = never[0], .events = POLLIN, .revents = 0};
    return ErrorOf(poll(&readable, 1, milliseconds));
  });
  start("nanosleep by number", 0,
        [&] { return ErrorOf(syscall(SYS_nanosleep, &nap, nullptr, 0, 0, 0, 0)); });
  start("clock_nanosleep by number", 0, [&] {
    return ErrorOf(syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &nap, nullptr, 0, 0));
  });
  start("futex by number", ETIMEDOUT, [&] {
    int word = 0;
    return ErrorOf(syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 0, &nap, nullptr, 0));
  });
  start("futex until a moment", ETIMEDOUT, [&] {
    int word = 0;
    timespec until{};
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += nap.tv_sec + 1;
    return ErrorOf(syscall(SYS_futex, &word, FUTEX_WAIT_BITSET_PRIVATE, 0, &until, nullptr,
                           FUTEX_BITSET_MATCH_ANY));
  });
#ifdef SYS_poll
  start("poll by number", 0, [&] {
    pollfd readable{.fd = never[0], .events = POLLIN, .revents = 0};
    return ErrorOf(syscall(SYS_poll, &readable, 1, milliseconds, 0, 0, 0));
  });
#endif

  const auto count = static_cast<int>(threads.size());
  while (begun < count) usleep(1000);
  usleep(20'000);
  puts("ready");
  fflush(stdout);
  for (std::thread& thread : threads) thread.join();
  printf("%d faults\n", faults.load());
  return faults == 0 ? 0 : 1;
}
