// R05: a thread ends the process while others wait, compute between calls and hold locks: by
// exit, exit_group, abort, a fault, a signal that kills, and from a handler.
//! link: threads
//! case: exit exit
//! case: group group
//! case: abort abort
//! case: fault fault
//! case: kill kill
//! case: term term
//! case: handler handler
//! case: main_returns main_returns
#include "thread_guest.h"

int main(int, char** argv) {
  static std::string how;
  how = argv[1];
  signal(SIGABRT, SIG_DFL);
  static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
  pthread_mutex_lock(&mutex);
  atexit([] { Say("at exit"); });
  static int ends[2];
  CHECK(pipe(ends) == 0);
  auto* threads = new std::vector<std::unique_ptr<Thread>>;
  threads->push_back(std::make_unique<Thread>([] { pause(); }));
  threads->push_back(std::make_unique<Thread>([] { pthread_mutex_lock(&mutex); }));
  threads->push_back(std::make_unique<Thread>([] {
    char byte;
    CHECK(read(ends[0], &byte, 1) == 1);
  }));
  for (auto& thread : *threads) thread->AwaitSleep();
  threads->push_back(std::make_unique<Thread>([] {
    for (;;) sched_yield();
  }));
  Say("ends by %s", how.c_str());
  if (how == "main_returns") return 5;
  threads->push_back(std::make_unique<Thread>([] {
    if (how == "exit") exit(3);
    if (how == "group") syscall(SYS_exit_group, 4);
    if (how == "abort") abort();
    if (how == "fault") *static_cast<volatile int*>(BadPointer()) = 1;
    if (how == "kill") kill(getpid(), SIGKILL);
    if (how == "term") kill(getpid(), SIGTERM);
    if (how == "handler") {
      Handle(SIGUSR1, [](int) { _exit(6); });
      pthread_kill(pthread_self(), SIGUSR1);
    }
    for (;;) pause();
  }));
  for (;;) pause();
}
