// R04: a robust mutex in shared memory whose owner, another process, is killed, exits or execs,
// while one waits for it and while none does.
//! link: threads
#include "thread_guest.h"

int main() {
  auto* mutex = static_cast<pthread_mutex_t*>(
      mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  for (int protocol : {PTHREAD_PRIO_NONE, PTHREAD_PRIO_INHERIT}) {
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    pthread_mutexattr_setprotocol(&attributes, protocol);
    CHECK(pthread_mutex_init(mutex, &attributes) == 0);
    for (const char* how : {"killed", "exits", "execs"}) {
      int ready[2], go[2];
      CHECK(pipe(ready) == 0 && pipe(go) == 0);
      pid_t child = Child([&] {
        CHECK(pthread_mutex_lock(mutex) == 0);
        char byte;
        CHECK(write(ready[1], "r", 1) == 1);
        CHECK(read(go[0], &byte, 1) == 1);
        if (strcmp(how, "killed") == 0) raise(SIGKILL);
        if (strcmp(how, "execs") == 0) execl("/bin/true", "true", nullptr);
      });
      char byte;
      CHECK(read(ready[0], &byte, 1) == 1);
      CHECK(pthread_mutex_trylock(mutex) == EBUSY);
      int result = -1;
      {
        Thread waiter([&] {
          result = pthread_mutex_lock(mutex);
          CHECK(pthread_mutex_consistent(mutex) == 0);
          CHECK(pthread_mutex_unlock(mutex) == 0);
        });
        waiter.AwaitSleep();
        CHECK(write(go[1], "g", 1) == 1);
      }
      Say("%s: its owner is dead %d; %s", how, result == EOWNERDEAD,
          StatusText(WaitFor(child)).c_str());
      CHECK(pthread_mutex_lock(mutex) == 0);
      CHECK(pthread_mutex_unlock(mutex) == 0);
      for (int fd : {ready[0], ready[1], go[0], go[1]}) close(fd);
    }
  }
}
