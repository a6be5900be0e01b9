// R04: mutexes, conditions, barriers and semaphores of the library in memory that processes share:
// four processes take turns, wait for each other and count together.
//! link: threads
#include "thread_guest.h"

struct Shared {
  pthread_mutex_t mutex;
  pthread_cond_t changed;
  pthread_barrier_t barrier;
  sem_t semaphore;
  long count;
  uint64_t order;
  int turn;
  int cells[4];
};

int main() {
  auto* shared = static_cast<Shared*>(
      mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  pthread_mutexattr_t mutex_attributes;
  pthread_mutexattr_init(&mutex_attributes);
  pthread_mutexattr_setpshared(&mutex_attributes, PTHREAD_PROCESS_SHARED);
  CHECK(pthread_mutex_init(&shared->mutex, &mutex_attributes) == 0);
  pthread_condattr_t condition_attributes;
  pthread_condattr_init(&condition_attributes);
  pthread_condattr_setpshared(&condition_attributes, PTHREAD_PROCESS_SHARED);
  CHECK(pthread_cond_init(&shared->changed, &condition_attributes) == 0);
  pthread_barrierattr_t barrier_attributes;
  pthread_barrierattr_init(&barrier_attributes);
  pthread_barrierattr_setpshared(&barrier_attributes, PTHREAD_PROCESS_SHARED);
  CHECK(pthread_barrier_init(&shared->barrier, &barrier_attributes, 4) == 0);
  CHECK(sem_init(&shared->semaphore, 1, 2) == 0);
  pid_t children[4];
  for (int i = 0; i < 4; ++i) {
    children[i] = Child([&, i] {
      for (int j = 0; j < 40; ++j) {
        pthread_mutex_lock(&shared->mutex);
        long seen = shared->count;
        shared->order = shared->order * 5 + i;
        if (j % 10 == 0) usleep(200);
        shared->count = seen + 1;
        pthread_mutex_unlock(&shared->mutex);
      }
      for (int round = 0; round < 8; ++round) {
        pthread_mutex_lock(&shared->mutex);
        while (shared->turn % 4 != i) pthread_cond_wait(&shared->changed, &shared->mutex);
        ++shared->turn;
        pthread_cond_broadcast(&shared->changed);
        pthread_mutex_unlock(&shared->mutex);
      }
      for (int round = 0; round < 8; ++round) {
        int left = shared->cells[(i + 3) % 4];
        pthread_barrier_wait(&shared->barrier);
        shared->cells[i] = shared->cells[i] * 3 + left + i;
        pthread_barrier_wait(&shared->barrier);
      }
      sem_wait(&shared->semaphore);
      usleep(300);
      sem_post(&shared->semaphore);
    });
  }
  for (pid_t child : children) Say("%s", StatusText(WaitFor(child)).c_str());
  int left = 0;
  CHECK(sem_getvalue(&shared->semaphore, &left) == 0);
  Say("count %ld, turn %d, cells %d %d %d %d, semaphore %d", shared->count, shared->turn,
      shared->cells[0], shared->cells[1], shared->cells[2], shared->cells[3], left);
  Vary("order %016lx", static_cast<unsigned long>(shared->order));
}
