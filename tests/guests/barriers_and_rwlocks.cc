// R05: barriers, read-write locks, POSIX semaphores, once: each step seen by all.
//! link: threads
#include "thread_guest.h"

static pthread_barrier_t barrier;
static pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static std::atomic<int> serial, initialised;
static int cells[4];
static long value, seen_odd;

int main() {
  CHECK(pthread_barrier_init(&barrier, nullptr, 4) == 0);
  {
    std::vector<std::unique_ptr<Thread>> threads;
    for (int i = 0; i < 4; ++i) {
      threads.push_back(std::make_unique<Thread>([i] {
        pthread_once(&once, [] {
          usleep(2000);
          ++initialised;
        });
        CHECK(initialised == 1);
        for (int round = 0; round < 20; ++round) {
          int left = cells[(i + 3) % 4];
          if (pthread_barrier_wait(&barrier) == PTHREAD_BARRIER_SERIAL_THREAD) ++serial;
          cells[i] = cells[i] * 3 + left + i;
          pthread_barrier_wait(&barrier);
        }
      }));
    }
  }
  Say("cells %d %d %d %d, serial %d", cells[0], cells[1], cells[2], cells[3], serial.load());
  std::atomic<long> reads{0};
  {
    std::vector<std::unique_ptr<Thread>> threads;
    for (int i = 0; i < 6; ++i) {
      threads.push_back(std::make_unique<Thread>([&, i] {
        for (int j = 0; j < 40; ++j) {
          if (i < 2) {
            pthread_rwlock_wrlock(&lock);
            ++value;
            if (j % 10 == 0) usleep(200);
            ++value;
            pthread_rwlock_unlock(&lock);
          } else {
            pthread_rwlock_rdlock(&lock);
            seen_odd += value % 2;
            if (j % 10 == 5) usleep(100);
            reads += value;
            pthread_rwlock_unlock(&lock);
          }
        }
      }));
    }
  }
  Say("value %ld, odd %ld", value, seen_odd);
  Vary("sum of reads %ld", reads.load());
  sem_t empty, full;
  sem_init(&empty, 0, 1);
  sem_init(&full, 0, 0);
  int slot = 0;
  long sum = 0;
  {
    Thread producer([&] {
      for (int i = 1; i <= 100; ++i) {
        sem_wait(&empty);
        slot = i;
        sem_post(&full);
      }
    });
    for (int i = 1; i <= 100; ++i) {
      sem_wait(&full);
      sum = sum * 3 + slot;
      sem_post(&empty);
    }
  }
  timespec past = {1, 0};
  Say("through the slot %ld, timed %d", sum, sem_timedwait(&full, &past));
}
