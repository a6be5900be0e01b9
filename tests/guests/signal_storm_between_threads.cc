// R06: three threads signal each other, with handlers that make calls and take queued values, while
// they lock and unlock.
//! link: threads
#include "thread_guest.h"

static std::atomic<int> received[3];
static std::atomic<long> values[3];
static thread_local int self = -1;

int main() {
  struct sigaction action = {};
  action.sa_sigaction = [](int, siginfo_t* info, void*) {
    int saved = errno;
    if (self >= 0) {
      values[self] = values[self] + info->si_value.sival_int;
      received[self] = received[self] + 1;
    }
    getppid();
    errno = saved;
  };
  action.sa_flags = SA_SIGINFO | SA_RESTART;
  CHECK(sigaction(SIGRTMIN + 6, &action, nullptr) == 0);
  pthread_barrier_t barrier;
  CHECK(pthread_barrier_init(&barrier, nullptr, 3) == 0);
  pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
  pthread_t ids[3];
  long shared = 0;
  std::vector<std::unique_ptr<Thread>> threads;
  for (int i = 0; i < 3; ++i) {
    threads.push_back(std::make_unique<Thread>([&, i] {
      self = i;
      ids[i] = pthread_self();
      pthread_barrier_wait(&barrier);
      for (int j = 0; j < 40; ++j) {
        sigval value;
        value.sival_int = j + i * 1000;
        CHECK(pthread_sigqueue(ids[(i + 1) % 3], SIGRTMIN + 6, value) == 0);
        pthread_mutex_lock(&mutex);
        ++shared;
        if (j % 10 == 0) usleep(100);
        pthread_mutex_unlock(&mutex);
      }
      while (received[i] < 40) usleep(300);
      pthread_barrier_wait(&barrier);
    }));
  }
  threads.clear();
  Say("shared %ld", shared);
  for (int i = 0; i < 3; ++i)
    Say("%d: %d signals, sum %ld", i, received[i].load(), values[i].load());
}
