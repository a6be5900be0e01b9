// R07: clocks and counters read by several threads: each thread's own CPU clock, clocks that never
// go back across threads, time-stamps.
//! link: threads
#include <sys/resource.h>
#include <sys/times.h>

#include "guest_arch.h"
#include "thread_guest.h"

static int64_t Now(clockid_t clock) {
  timespec now;
  CHECK(clock_gettime(clock, &now) == 0);
  return now.tv_sec * 1'000'000'000 + now.tv_nsec;
}

int main() {
  std::atomic<int64_t> last{0};
  std::atomic<uint64_t> counter{0};
  std::atomic<int> backward{0};
  pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
  std::vector<std::unique_ptr<Thread>> threads;
  // A thread that has ended has no clock: none does before it has been asked for.
  CHECK(pthread_mutex_lock(&mutex) == 0);
  for (int i = 0; i < 3; ++i) {
    threads.push_back(std::make_unique<Thread>([&] {
      for (int j = 0; j < 30; ++j) {
        pthread_mutex_lock(&mutex);
        int64_t now = Now(CLOCK_MONOTONIC);
        backward += now < last;
        last = now;
        uint64_t count = ReadCounter();
        counter = counter ^ count;
        pthread_mutex_unlock(&mutex);
        if (j % 10 == 0) sched_yield();
      }
      int64_t own = Now(CLOCK_THREAD_CPUTIME_ID), all = Now(CLOCK_PROCESS_CPUTIME_ID);
      CHECK(own > 0 && own <= all + 100'000'000);
      rusage usage;
      CHECK(getrusage(RUSAGE_THREAD, &usage) == 0);
    }));
  }
  clockid_t of_first;
  CHECK(pthread_getcpuclockid(threads[0]->id(), &of_first) == 0);
  Vary("its clock %ld", static_cast<long>(Now(of_first)));
  CHECK(pthread_mutex_unlock(&mutex) == 0);
  threads.clear();
  Say("backward %d", backward.load());
  Vary("%ld %016lx", static_cast<long>(last.load()), static_cast<unsigned long>(counter.load()));
}
