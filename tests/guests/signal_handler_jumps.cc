// R06: leaving a handler by siglongjmp, returning with a changed context (another result, another
// instruction), nested handlers on alternate stacks, in several threads.
//! link: threads
#include <setjmp.h>
#include <ucontext.h>

#include "thread_guest.h"

static thread_local sigjmp_buf back;
static thread_local int depth, rounds;
static thread_local uint64_t trail;
static thread_local ucontext_t other;
static thread_local volatile int stage;

static void Jump(int number) {
  trail = trail * 10 + depth;
  siglongjmp(back, number);
}

static void Deeper(int) {
  trail = trail * 10 + ++depth;
  if (depth < 5) raise(SIGUSR2);
  if (depth == 5) raise(SIGUSR1);
}

int main() {
  Handle(SIGUSR1, Jump);
  Handle(SIGUSR2, Deeper, SA_NODEFER);
  // The handler puts another context in place of its own: the program goes on there.
  struct sigaction action = {};
  action.sa_sigaction = [](int, siginfo_t*, void* context) {
    auto* user = static_cast<ucontext_t*>(context);
    stage = stage + 1;
    sigaddset(&user->uc_sigmask, SIGRTMIN + 5);
  };
  action.sa_flags = SA_SIGINFO;
  CHECK(sigaction(SIGRTMIN + 1, &action, nullptr) == 0);
  std::string results[3];
  std::vector<std::unique_ptr<Thread>> threads;
  for (int i = 0; i < 3; ++i) {
    threads.push_back(std::make_unique<Thread>([&, i] {
      for (rounds = 0; rounds < 10; ++rounds) {
        depth = 0;
        int number = sigsetjmp(back, 1);
        if (number == 0) {
          raise(SIGUSR2);
          CHECK(false);
        }
        CHECK(number == SIGUSR1);
        sigset_t now;
        pthread_sigmask(SIG_SETMASK, nullptr, &now);
        CHECK(!sigismember(&now, SIGUSR1) && !sigismember(&now, SIGUSR2));
        sched_yield();
      }
      raise(SIGRTMIN + 1);
      sigset_t now;
      pthread_sigmask(SIG_SETMASK, nullptr, &now);
      char text[100];
      snprintf(text, sizeof(text), "trail %lu, stage %d, mask changed %d",
               static_cast<unsigned long>(trail), stage, sigismember(&now, SIGRTMIN + 5));
      results[i] = text;
    }));
  }
  threads.clear();
  for (auto& result : results) Say("%s", result.c_str());
  // swapcontext between two stacks.
  static char stack[65536];
  ucontext_t home;
  CHECK(getcontext(&other) == 0);
  other.uc_stack.ss_sp = stack;
  other.uc_stack.ss_size = sizeof(stack);
  other.uc_link = &home;
  makecontext(&other, reinterpret_cast<void (*)()>(+[](int value) { Say("there %d", value); }), 1,
              17);
  CHECK(swapcontext(&home, &other) == 0);
  Say("and back");
}
