// R05: pthread_cancel of threads that wait in each call that is a cancellation point, and of one
// that computes with asynchronous cancellation and calls between.
//! link: threads
#include <poll.h>
#include <sys/select.h>
#include <sys/socket.h>

#include "thread_guest.h"

static std::atomic<int> cleaned;

static void Cancel(const char* name, const std::function<void()>& wait) {
  cleaned = 0;
  Thread thread([&] {
    pthread_cleanup_push([](void*) { cleaned = cleaned + 1; }, nullptr);
    wait();
    pthread_cleanup_pop(0);
  });
  thread.AwaitSleep();
  CHECK(pthread_cancel(thread.id()) == 0);
  bool cancelled = thread.Join() == PTHREAD_CANCELED;
  Say("%s: cancelled %d, cleaned %d", name, cancelled, cleaned.load());
}

int main() {
  int ends[2], pair[2];
  CHECK(pipe(ends) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
  static char byte;
  Cancel("read", [&] { (void)!read(ends[0], &byte, 1); });
  Cancel("recv", [&] { (void)!recv(pair[0], &byte, 1, 0); });
  Cancel("poll", [&] {
    pollfd fd = {ends[0], POLLIN, 0};
    poll(&fd, 1, -1);
  });
  Cancel("select", [&] { select(0, nullptr, nullptr, nullptr, nullptr); });
  Cancel("nanosleep", [&] { sleep(100); });
  Cancel("pause", [&] { pause(); });
  sem_t semaphore;
  sem_init(&semaphore, 0, 0);
  Cancel("sem_wait", [&] { sem_wait(&semaphore); });
  pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
  pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
  Cancel("cond_wait", [&] {
    pthread_mutex_lock(&mutex);
    pthread_cond_wait(&condition, &mutex);
  });
  Say("the mutex is held by the cancelled: %d", pthread_mutex_trylock(&mutex) == EBUSY);
  Cancel("sigwait", [&] {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    int number;
    sigwait(&set, &number);
  });
  // Held off, then let through.
  std::atomic<uint32_t> word{0};
  std::atomic<int> reached{0};
  Thread held([&] {
    int old;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &old);
    while (word == 0) Futex(&word, FUTEX_WAIT_PRIVATE, 0);
    ++reached;
    pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &old);
    pthread_testcancel();
    ++reached;
  });
  held.AwaitSleep();
  CHECK(pthread_cancel(held.id()) == 0);
  word = 1;
  Futex(&word, FUTEX_WAKE_PRIVATE, 1);
  bool cancelled = held.Join() == PTHREAD_CANCELED;
  Say("held off: cancelled %d, reached %d", cancelled, reached.load());
  std::atomic<bool> started{false};
  Thread busy([&] {
    int old;
    pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, &old);
    for (;;) {
      started = true;
      syscall(SYS_getppid);
    }
  });
  while (!started) sched_yield();
  CHECK(pthread_cancel(busy.id()) == 0);
  Say("asynchronous: cancelled %d", busy.Join() == PTHREAD_CANCELED);
}
