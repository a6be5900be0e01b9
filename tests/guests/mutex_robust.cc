// R05: robust mutexes whose owner ends: a thread that returns, one that calls exit itself, several
// held at once, with waiters and without; made consistent or left unrecoverable.
//! link: threads
#include "thread_guest.h"

static pthread_mutex_t mutexes[5];

static void Make(pthread_mutex_t* mutex, int protocol) {
  pthread_mutexattr_t attributes;
  pthread_mutexattr_init(&attributes);
  pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
  pthread_mutexattr_setprotocol(&attributes, protocol);
  CHECK(pthread_mutex_init(mutex, &attributes) == 0);
}

int main() {
  for (int i = 0; i < 5; ++i) Make(&mutexes[i], i == 3 ? PTHREAD_PRIO_INHERIT : PTHREAD_PRIO_NONE);
  Thread([] {
    for (auto& mutex : mutexes) CHECK(pthread_mutex_lock(&mutex) == 0);
    CHECK(pthread_mutex_unlock(&mutexes[1]) == 0);
  }).Join();
  for (auto& mutex : mutexes) {
    int result = pthread_mutex_lock(&mutex);
    Say("lock: %s", result == EOWNERDEAD ? "its owner is dead" : result == 0 ? "free" : "?");
    if (&mutex == &mutexes[4]) {
      Say("left as it is: unlock %d", pthread_mutex_unlock(&mutex));
      Say("then lock: not recoverable %d", pthread_mutex_lock(&mutex) == ENOTRECOVERABLE);
      continue;
    }
    if (result == EOWNERDEAD) CHECK(pthread_mutex_consistent(&mutex) == 0);
    CHECK(pthread_mutex_unlock(&mutex) == 0);
    CHECK(pthread_mutex_lock(&mutex) == 0);
    CHECK(pthread_mutex_unlock(&mutex) == 0);
  }
  // One that waits while the owner ends without any of the library's cleaning up.
  for (int i : {0, 3}) {
    sem_t go;
    sem_init(&go, 0, 0);
    pthread_t owner;
    static sem_t* let_go;
    static int which;
    let_go = &go;
    which = i;
    CHECK(pthread_create(
              &owner, nullptr,
              [](void*) -> void* {
                CHECK(pthread_mutex_lock(&mutexes[which]) == 0);
                sem_wait(let_go);
                syscall(SYS_exit, 0);
                return nullptr;
              },
              nullptr) == 0);
    pthread_detach(owner);
    while (pthread_mutex_trylock(&mutexes[i]) == 0) {
      pthread_mutex_unlock(&mutexes[i]);
      usleep(1000);
    }
    Thread waiter([i] {
      int result = pthread_mutex_lock(&mutexes[i]);
      Say("waiter: its owner is dead %d", result == EOWNERDEAD);
      CHECK(pthread_mutex_consistent(&mutexes[i]) == 0);
      CHECK(pthread_mutex_unlock(&mutexes[i]) == 0);
    });
    waiter.AwaitSleep();
    sem_post(&go);
  }
}
