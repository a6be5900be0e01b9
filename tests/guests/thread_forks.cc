// R04: fork, vfork with exec, and posix_spawn by threads, while another thread changes memory and
// holds a lock: the child has one thread, and memory as it was at the fork.
//! link: threads
#include <spawn.h>

#include "thread_guest.h"

extern char** environ;
static std::atomic<bool> stop;
static std::atomic<uint64_t> counter;
static std::atomic<int> prepared, in_parent;

static int Tasks() {
  int count = 0;
  for (int i = 0; i < 1; ++i) {
    std::string status = ReadFile("/proc/self/status");
    const char* threads = strstr(status.c_str(), "Threads:");
    count = atoi(threads + 8);
  }
  return count;
}

int main() {
  pthread_atfork([] { ++prepared; }, [] { ++in_parent; }, nullptr);
  Thread changer([] {
    while (!stop) {
      ++counter;
      sched_yield();
    }
  });
  for (int i = 0; i < 4; ++i) {
    Thread forker([i] {
      pid_t pid = Child([i] {
        uint64_t now = counter;
        Say("child %d: %d threads, in a thread with id of the process %d", i, Tasks(),
            syscall(SYS_gettid) == getpid());
        CHECK(counter == now);  // nobody changes it here
        Vary("counter at the fork %lu", static_cast<unsigned long>(now));
        Thread([i] { Say("child %d has a thread", i); }).Join();
        _exit(i);
      });
      Say("%s", StatusText(WaitFor(pid)).c_str());
    });
    forker.Join();
  }
  Thread spawner([] {
    char* argv[] = {const_cast<char*>("/bin/echo"), const_cast<char*>("spawned by a thread"),
                    nullptr};
    pid_t pid;
    CHECK(posix_spawn(&pid, argv[0], nullptr, nullptr, argv, environ) == 0);
    Say("%s", StatusText(WaitFor(pid)).c_str());
    char* none[] = {const_cast<char*>("./none"), nullptr};
    Say("spawn of nothing: %d", posix_spawn(&pid, none[0], nullptr, nullptr, none, environ));
  });
  spawner.Join();
  Thread vforker([] {
    pid_t pid = vfork();
    if (pid == 0) {
      execl("/bin/echo", "echo", "by vfork of a thread", nullptr);
      _exit(1);
    }
    Say("%s", StatusText(WaitFor(pid)).c_str());
    pid = vfork();
    if (pid == 0) _exit(9);
    Say("%s", StatusText(WaitFor(pid)).c_str());
  });
  vforker.Join();
  stop = true;
  changer.Join();
  Say("handlers %d %d", prepared.load(), in_parent.load());
}
