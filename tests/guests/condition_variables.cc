// R05: condition variables: signal, broadcast, time-outs by either clock, with a mutex that
// inherits priority, a bounded queue with two producers and two consumers.
//! link: threads
#include "thread_guest.h"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t not_full = PTHREAD_COND_INITIALIZER, not_empty = PTHREAD_COND_INITIALIZER;
static int queue[4];
static int held, put_at, got_at;

static void Put(int value) {
  pthread_mutex_lock(&mutex);
  while (held == 4) pthread_cond_wait(&not_full, &mutex);
  queue[put_at++ % 4] = value;
  ++held;
  pthread_cond_signal(&not_empty);
  pthread_mutex_unlock(&mutex);
}

static int Get() {
  pthread_mutex_lock(&mutex);
  while (held == 0) pthread_cond_wait(&not_empty, &mutex);
  int value = queue[got_at++ % 4];
  --held;
  pthread_cond_signal(&not_full);
  pthread_mutex_unlock(&mutex);
  return value;
}

static void TimeOut(clockid_t clock) {
  pthread_condattr_t attributes;
  pthread_condattr_init(&attributes);
  CHECK(pthread_condattr_setclock(&attributes, clock) == 0);
  pthread_cond_t condition;
  CHECK(pthread_cond_init(&condition, &attributes) == 0);
  pthread_mutex_lock(&mutex);
  timespec deadline;
  CHECK(clock_gettime(clock, &deadline) == 0);
  deadline.tv_nsec = deadline.tv_nsec < 985'000'000 ? deadline.tv_nsec + 15'000'000 : 999'999'999;
  Say("time-out %d", pthread_cond_timedwait(&condition, &mutex, &deadline));
  pthread_mutex_unlock(&mutex);
}

int main() {
  std::atomic<long> sum{0};
  std::atomic<uint64_t> order{0};
  {
    std::vector<std::unique_ptr<Thread>> threads;
    for (int i = 0; i < 2; ++i) {
      threads.push_back(std::make_unique<Thread>([i] {
        for (int j = 0; j < 100; ++j) Put(i * 1000 + j);
      }));
      threads.push_back(std::make_unique<Thread>([&, i] {
        for (int j = 0; j < 100; ++j) {
          int value = Get();
          sum += value;
          order = order * 31 + value * 2 + i;
        }
      }));
    }
  }
  Say("sum %ld", sum.load());
  Vary("order %016lx", static_cast<unsigned long>(order.load()));
  TimeOut(CLOCK_REALTIME);
  TimeOut(CLOCK_MONOTONIC);

  pthread_mutexattr_t attributes;
  pthread_mutexattr_init(&attributes);
  pthread_mutexattr_setprotocol(&attributes, PTHREAD_PRIO_INHERIT);
  pthread_mutex_t inheriting;
  CHECK(pthread_mutex_init(&inheriting, &attributes) == 0);
  pthread_cond_t all = PTHREAD_COND_INITIALIZER;
  bool open = false;
  std::atomic<int> waiting{0}, through{0};
  std::vector<std::unique_ptr<Thread>> threads;
  for (int i = 0; i < 6; ++i) {
    threads.push_back(std::make_unique<Thread>([&] {
      pthread_mutex_lock(&inheriting);
      ++waiting;
      while (!open) pthread_cond_wait(&all, &inheriting);
      ++through;
      pthread_mutex_unlock(&inheriting);
    }));
  }
  while (waiting < 6) usleep(1000);
  pthread_mutex_lock(&inheriting);
  open = true;
  pthread_cond_broadcast(&all);
  Say("through before the mutex is free: %d", through.load());
  pthread_mutex_unlock(&inheriting);
  threads.clear();
  Say("through %d", through.load());
}
