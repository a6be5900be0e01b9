// R08: a helper that shares the program's memory stops its threads by ptrace and reads their
// registers, as LeakSanitizer does: threads that sleep, wait for a lock, and compute.
#include <elf.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include <algorithm>
#include <atomic>
#include <iterator>

#include "guest_arch.h"
#include "thread_guest.h"

enum { kSleeps, kLocks, kComputes, kMain, kThreads };
static const char* const kNames[] = {"sleeps", "locks", "computes", "main"};
static std::atomic<pid_t> tids[kThreads];
static uint64_t stack_low[kThreads], stack_high[kThreads];
static std::atomic<uint64_t> computed;
static std::atomic<int> over;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static void Begin(int which) {
  pthread_attr_t attributes;
  void* low = nullptr;
  size_t size = 0;
  CHECK(pthread_getattr_np(pthread_self(), &attributes) == 0);
  CHECK(pthread_attr_getstack(&attributes, &low, &size) == 0);
  pthread_attr_destroy(&attributes);
  stack_low[which] = reinterpret_cast<uint64_t>(low);
  stack_high[which] = stack_low[which] + size;
  tids[which] = static_cast<pid_t>(syscall(SYS_gettid));
}

static uint64_t StackPointer(pid_t tid) {
  uint64_t words[64] = {};
  iovec room{words, sizeof words};
  CHECK(ptrace(PTRACE_GETREGSET, tid, NT_PRSTATUS, &room) == 0);
  CHECK(room.iov_len == kRegisterWords * sizeof(uint64_t));
  if (kReadRegisters != 0) {
    uint64_t old_style[kRegisterWords] = {};
    CHECK(ptrace(static_cast<__ptrace_request>(kReadRegisters), tid, nullptr, old_style) == 0);
    CHECK(memcmp(words, old_style, sizeof old_style) == 0);
  }
  return words[kStackPointerWord];
}

static void Attach(pid_t tid) {
  CHECK(ptrace(PTRACE_ATTACH, tid, 0, 0) == 0);
  int status = 0;
  CHECK(waitpid(tid, &status, __WALL) == tid);
  CHECK(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
}

static int Helper(void*) {
  for (int i = 0; i < kThreads; ++i) {
    pid_t tid = tids[i];
    Attach(tid);
    uint64_t sp = StackPointer(tid);
    Say("%s: stopped, its stack pointer in its stack: %d", kNames[i],
        sp >= stack_low[i] && sp < stack_high[i]);
  }
  long again = ptrace(PTRACE_ATTACH, tids[kLocks].load(), 0, 0);
  Say("a second time: %ld errno %d", again, errno);
  uint64_t before = computed;
  usleep(20000);
  Say("it stands still: %d", computed == before);
  uint64_t room[2];
  iovec small{room, sizeof room};
  CHECK(ptrace(PTRACE_GETREGSET, tids[kComputes].load(), NT_PRSTATUS, &small) == 0);
  Say("into a small buffer: %zu bytes", small.iov_len);
  iovec nowhere{nullptr, 64};
  long refused = ptrace(PTRACE_GETREGSET, tids[kComputes].load(), NT_PRSTATUS, &nowhere);
  Say("nowhere: %ld errno %d", refused, errno);
  pthread_mutex_unlock(&mutex);
  // One is forgotten: the kernel lets go of it when this ends.
  for (int i = 0; i < kMain; ++i) CHECK(ptrace(PTRACE_DETACH, tids[i].load(), 0, 0) == 0);
  while (computed == before) usleep(1000);
  Say("it goes on");
  syscall(SYS_exit, 0);
  return 0;
}

// Is killed in the middle of it.
static int killer_pipe[2];
static int DoomedHelper(void*) {
  for (int i : {kSleeps, kComputes, kMain}) Attach(tids[i]);
  pid_t self = static_cast<pid_t>(syscall(SYS_getpid));
  CHECK(write(killer_pipe[1], &self, sizeof self) == sizeof self);
  for (;;) pause();
}

// Runs a helper to its end, and says which that was.
static void RunHelper(int (*body)(void*)) {
  alignas(16) static char stack[65536];
  pid_t helper = clone(body, stack + sizeof stack,
                       CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_UNTRACED, nullptr);
  CHECK(helper > 0);
  prctl(PR_SET_PTRACER, helper, 0, 0, 0);
  int status = 0;
  while (waitpid(helper, &status, __WALL) < 0) CHECK(errno == EINTR);
  Say("helper: %s", StatusText(status).c_str());
}

static void* Sleeps(void*) {
  Begin(kSleeps);
  while (over == 0) usleep(1000);
  return nullptr;
}
static void* Locks(void*) {
  Begin(kLocks);
  pthread_mutex_lock(&mutex);
  pthread_mutex_unlock(&mutex);
  return nullptr;
}
static void* Computes(void*) {
  Begin(kComputes);
  while (over == 0) {
    TIMES_64(computed = computed + 1;)
  }
  return nullptr;
}

int main() {
  Begin(kMain);
  pthread_mutex_lock(&mutex);
  void* (*bodies[])(void*) = {Sleeps, Locks, Computes};
  pthread_t threads[kMain];
  for (int i = 0; i < kMain; ++i)
    CHECK(pthread_create(&threads[i], nullptr, bodies[i], nullptr) == 0);
  while (std::any_of(std::begin(tids), std::end(tids), [](auto& tid) { return tid == 0; }))
    usleep(1000);
  AwaitSleep(tids[kLocks]);
  RunHelper(Helper);

  CHECK(pipe(killer_pipe) == 0);
  pid_t killer = Child([] {
    pid_t whom = 0;
    CHECK(read(killer_pipe[0], &whom, sizeof whom) == sizeof whom);
    CHECK(kill(whom, SIGKILL) == 0);
  });
  RunHelper(DoomedHelper);
  CHECK(WaitFor(killer) == 0);
  for (uint64_t before = computed; computed == before;) usleep(1000);
  Say("it goes on");
  over = 1;
  for (pthread_t thread : threads) CHECK(pthread_join(thread, nullptr) == 0);
  Say("all end");
}
