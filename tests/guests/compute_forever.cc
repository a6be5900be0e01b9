// R05: threads that compute for ever without a call, while the main thread works, and then ends the
// process, execs, is killed, or stops them.
//! link: threads
//! case: returns returns
//! case: killed killed
//! case: execs execs
//! case: cancels cancels
//! case: faults faults
//! case: forks forks
#include "thread_guest.h"

static volatile uint64_t work[2];

int main(int, char** argv) {
  std::string how = argv[1];
  auto compute = [](int self) {
    pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, nullptr);
    auto step = [&] { work[self] = work[self] * 6364136223846793005u + 1; };
    const bool slow = Slowness() > 1;
    while (slow) {
      TIMES_64(step();)
    }
    for (;;) step();
  };
  auto* one = new Thread([&] { compute(0); });
  auto* two = new Thread([&] { compute(1); });
  for (int i = 0; i < 20; ++i) getppid();
  usleep(1000);
  Say("main has worked, then %s", how.c_str());
  Vary("work %016lx", static_cast<unsigned long>(work[0] ^ work[1]));
  if (how == "returns") return 3;
  if (how == "killed") raise(SIGKILL);
  if (how == "execs") execl("/bin/echo", "echo", "after exec", nullptr);
  if (how == "faults") *static_cast<volatile int*>(BadPointer()) = 1;
  if (how == "forks") {
    InChild([] {
      uint64_t before = work[0];
      for (int i = 0; i < 3; ++i) getppid();
      CHECK(work[0] == before);
    });
    _exit(4);
  }
  CHECK(pthread_cancel(one->id()) == 0 && pthread_cancel(two->id()) == 0);
  delete one;
  delete two;
  Say("cancelled");
}
