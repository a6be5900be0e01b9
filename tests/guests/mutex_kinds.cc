// R05: mutexes of every kind contended by four threads: normal, recursive, error-checking,
// adaptive, inheriting priority, robust, shared; the counts they guard come out right.
//! link: threads
//! record-with: --check-every 1
#include "thread_guest.h"

struct Kind {
  const char* name;
  int type, protocol, robust, shared;
};

int main() {
  const Kind kinds[] = {
      {"normal", PTHREAD_MUTEX_NORMAL, 0, 0, 0},
      {"recursive", PTHREAD_MUTEX_RECURSIVE, 0, 0, 0},
      {"error-checking", PTHREAD_MUTEX_ERRORCHECK, 0, 0, 0},
      {"adaptive", PTHREAD_MUTEX_ADAPTIVE_NP, 0, 0, 0},
      {"priority", PTHREAD_MUTEX_NORMAL, PTHREAD_PRIO_INHERIT, 0, 0},
      {"robust", PTHREAD_MUTEX_NORMAL, 0, PTHREAD_MUTEX_ROBUST, 0},
      {"shared", PTHREAD_MUTEX_NORMAL, 0, 0, PTHREAD_PROCESS_SHARED},
      {"all", PTHREAD_MUTEX_ERRORCHECK, PTHREAD_PRIO_INHERIT, PTHREAD_MUTEX_ROBUST,
       PTHREAD_PROCESS_SHARED},
  };
  for (const Kind& kind : kinds) {
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_settype(&attributes, kind.type);
    pthread_mutexattr_setprotocol(&attributes, kind.protocol);
    pthread_mutexattr_setrobust(&attributes, kind.robust);
    pthread_mutexattr_setpshared(&attributes, kind.shared);
    pthread_mutex_t mutex;
    CHECK(pthread_mutex_init(&mutex, &attributes) == 0);
    long count = 0;
    uint64_t order = 0;
    {
      std::vector<std::unique_ptr<Thread>> threads;
      for (int i = 0; i < 4; ++i) {
        threads.push_back(std::make_unique<Thread>([&, i] {
          for (int j = 0, most = Times(60, 12); j < most; ++j) {
            CHECK(pthread_mutex_lock(&mutex) == 0);
            long seen = count;
            order = order * 5 + i;
            if (j % 8 == 0) sched_yield();
            count = seen + 1;
            CHECK(pthread_mutex_unlock(&mutex) == 0);
          }
        }));
      }
    }
    Say("%s: %ld", kind.name, count);
    Vary("%s: order %016lx", kind.name, static_cast<unsigned long>(order));
    CHECK(pthread_mutex_lock(&mutex) == 0);
    Thread([&] { Say("trylock %d", pthread_mutex_trylock(&mutex)); }).Join();
    if (kind.type == PTHREAD_MUTEX_ERRORCHECK) Say("again %d", pthread_mutex_lock(&mutex));
    timespec deadline;
    CHECK(clock_gettime(CLOCK_REALTIME, &deadline) == 0);
    deadline.tv_nsec = deadline.tv_nsec < 995'000'000 ? deadline.tv_nsec + 5'000'000 : 999'999'999;
    Thread([&] { Say("timed %d", pthread_mutex_timedlock(&mutex, &deadline)); }).Join();
    CHECK(pthread_mutex_unlock(&mutex) == 0);
    CHECK(pthread_mutex_destroy(&mutex) == 0);
  }
}
