// R06: signal masks and alternate stacks are a thread's own: a signal of the process goes to a
// thread that doesn't block it, handlers run on the stack that their thread has set.
//! link: threads
#include "thread_guest.h"

static thread_local int self = 99;
static std::atomic<int> by[4];
static std::atomic<int> on_own_stack;
static thread_local char* stack;

static void OnSignal(int) {
  char here;
  by[self] = by[self] + 1;
  if (&here > stack && &here < stack + 65536) on_own_stack = on_own_stack + 1;
}

int main() {
  struct sigaction action = {};
  action.sa_handler = OnSignal;
  action.sa_flags = SA_ONSTACK | SA_RESTART;
  CHECK(sigaction(SIGUSR1, &action, nullptr) == 0);
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  CHECK(pthread_sigmask(SIG_BLOCK, &set, nullptr) == 0);
  std::atomic<uint32_t> word{0};
  int was_pending[4];
  std::vector<std::unique_ptr<Thread>> threads;
  for (int i = 0; i < 4; ++i) {
    threads.push_back(std::make_unique<Thread>([&, i] {
      self = i;
      stack = static_cast<char*>(malloc(65536));
      stack_t alternate = {};
      alternate.ss_sp = stack;
      alternate.ss_size = 65536;
      CHECK(sigaltstack(&alternate, nullptr) == 0);
      sigset_t inherited;
      CHECK(pthread_sigmask(i == 2 ? SIG_UNBLOCK : SIG_BLOCK, &set, &inherited) == 0);
      CHECK(sigismember(&inherited, SIGUSR1) == 1);
      while (word == 0) Futex(&word, FUTEX_WAIT_PRIVATE, 0);
      sigset_t pending;
      CHECK(sigpending(&pending) == 0);
      was_pending[i] = sigismember(&pending, SIGUSR1);
      CHECK(pthread_sigmask(SIG_UNBLOCK, &set, nullptr) == 0);
    }));
    threads.back()->AwaitSleep();
  }
  for (int i = 0; i < 3; ++i) {
    int before = by[2];
    CHECK(kill(getpid(), SIGUSR1) == 0);
    while (by[2] == before) usleep(200);
  }
  threads[1]->Signal(SIGUSR1);  // stays pending there
  word = 1;
  Futex(&word, FUTEX_WAKE_PRIVATE, INT_MAX);
  threads.clear();
  Say("pending in %d %d %d %d", was_pending[0], was_pending[1], was_pending[2], was_pending[3]);
  Say("by %d %d %d %d, on their stacks %d", by[0].load(), by[1].load(), by[2].load(), by[3].load(),
      on_own_stack.load());
}
