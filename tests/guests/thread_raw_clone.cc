// R05: tasks made by clone itself, without the library: sharing memory with and without
// CLONE_THREAD, with cleared and set thread ids, descriptors of processes, parents, and exit
// signals.
#include <sched.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include <atomic>

#include "thread_guest.h"

static std::atomic<int> cleared, counter;
static int fd_made;

static int Body(void* how) {
  counter.fetch_add(static_cast<int>(reinterpret_cast<intptr_t>(how)));
  if (how == reinterpret_cast<void*>(1)) fd_made = open("/dev/null", O_RDONLY);
  syscall(SYS_exit, 7);
  return 0;
}

static char* Stack() {
  auto* stack = static_cast<char*>(
      mmap(nullptr, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  return stack + 65536;
}

int main() {
  const int shared = CLONE_VM | CLONE_FS | CLONE_SIGHAND;
  // Shares memory, but is a process.
  int pid = clone(Body, Stack(), shared | CLONE_FILES | SIGCHLD, reinterpret_cast<void*>(1));
  CHECK(pid > 0);
  int status = WaitFor(pid);
  Say("process: %s, counter %d, its descriptor is ours %d", StatusText(status).c_str(),
      counter.load(), fcntl(fd_made, F_GETFD) == 0);
  // No exit signal: waited for with __WCLONE only.
  pid = clone(Body, Stack(), shared, reinterpret_cast<void*>(10));
  CHECK(pid > 0);
  CHECK(waitpid(pid, &status, __WCLONE) == pid);
  Say("without a signal: %s, counter %d", StatusText(status).c_str(), counter.load());
  // A thread; the kernel clears the word and wakes who waits for it.
  int parent_word = 0;
  cleared = -1;
  pid = clone(Body, Stack(),
              shared | CLONE_FILES | CLONE_THREAD | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID |
                  CLONE_CHILD_SETTID,
              reinterpret_cast<void*>(100), &parent_word, nullptr, &cleared);
  CHECK(pid > 0);
  Say("parent's word %d", parent_word == pid);
  for (int now; (now = cleared) != 0;) {
    syscall(SYS_futex, &cleared, FUTEX_WAIT, now, nullptr, nullptr, 0);
  }
  Say("thread: counter %d, word %d", counter.load(), cleared.load());
}
