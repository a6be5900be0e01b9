// R06: stack overflow in threads, caught by a handler on an alternate stack that jumps back out.
//! link: threads
#include <setjmp.h>

#include "thread_guest.h"

static thread_local sigjmp_buf back;
static thread_local char* guard_hit;

__attribute__((noinline)) static int Recurse(int depth) {
  volatile char frame[2000];
  frame[depth % 2000] = static_cast<char>(depth);
  return depth > 1'000'000 ? 0 : Recurse(depth + 1) + frame[depth % 2000];
}

int main() {
  struct sigaction action = {};
  action.sa_sigaction = [](int, siginfo_t* info, void*) {
    guard_hit = static_cast<char*>(info->si_addr);
    siglongjmp(back, 1);
  };
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  CHECK(sigaction(SIGSEGV, &action, nullptr) == 0);
  std::atomic<int> caught{0};
  std::vector<std::unique_ptr<Thread>> threads;
  for (int i = 0; i < 3; ++i) {
    threads.push_back(std::make_unique<Thread>([&] {
      std::vector<char> stack(65536);
      stack_t alternate = {};
      alternate.ss_sp = stack.data();
      alternate.ss_size = stack.size();
      CHECK(sigaltstack(&alternate, nullptr) == 0);
      pthread_attr_t attributes;
      CHECK(pthread_getattr_np(pthread_self(), &attributes) == 0);
      void* low;
      size_t size;
      CHECK(pthread_attr_getstack(&attributes, &low, &size) == 0);
      for (int round = 0; round < 2; ++round) {
        if (sigsetjmp(back, 1) == 0) {
          Recurse(0);
          CHECK(false);
        }
        CHECK(guard_hit < static_cast<char*>(low) + 8192);
        ++caught;
        sched_yield();
      }
      alternate.ss_flags = SS_DISABLE;
      CHECK(sigaltstack(&alternate, nullptr) == 0);
    }));
  }
  threads.clear();
  Say("caught %d", caught.load());
}
