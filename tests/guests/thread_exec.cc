// R04: exec by a thread that isn't the leader, while others compute, wait and hold locks: it takes
// the leader's id, and the others are gone.
//! link: threads
//! case: leader waits
//! case: last leader_gone
#include "thread_guest.h"

static char** arguments;

static void Exec() {
  char step[] = "again", self[200];
  snprintf(self, sizeof(self), "%s", arguments[0]);
  char pid[20];
  snprintf(pid, sizeof(pid), "%d", getpid());
  char* argv[] = {self, step, pid, nullptr};
  execv(self, argv);
  CHECK(false);
}

int main(int argc, char** argv) {
  arguments = argv;
  if (argc > 2) {
    Say("new image: same process %d, its leader %d, state of threads: one %d",
        atoi(argv[2]) == getpid(), syscall(SYS_gettid) == getpid(),
        access("/proc/self/task", R_OK) == 0);
    Thread([] { Say("a thread of the new image"); }).Join();
    return 3;
  }
  // One that waits in a call, one in a lock, one that makes calls all the time.
  static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
  pthread_mutex_lock(&mutex);
  Thread sleeper([] { pause(); });
  Thread locked([] { pthread_mutex_lock(&mutex); });
  Thread busy([] {
    for (;;) sched_yield();
  });
  sleeper.AwaitSleep();
  locked.AwaitSleep();
  Say("exec by a thread");
  if (strcmp(argv[1], "waits") == 0) {
    Thread([] { Exec(); }).Join();
  } else {
    static pthread_t exec;
    pthread_create(
        &exec, nullptr,
        [](void*) -> void* {
          usleep(20'000);
          Exec();
          return nullptr;
        },
        nullptr);
    pthread_exit(nullptr);
  }
}
