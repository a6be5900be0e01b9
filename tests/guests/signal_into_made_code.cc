// R06: signals and other threads' turns that find a thread in code that it has made, and that is
// executed for the first time.
//! link: threads
#include <sys/mman.h>
#include <sys/time.h>

#include <cstring>

#include "guest_arch.h"
#include "thread_guest.h"

static volatile int ticks;
static volatile bool over;
static volatile uint64_t counted;
static volatile unsigned work;

int main() {
  const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  struct sigaction action = {};
  action.sa_handler = [](int) { ticks = ticks + 1; };
  action.sa_flags = SA_RESTART;
  CHECK(sigaction(SIGALRM, &action, nullptr) == 0);
  Thread other([] {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, nullptr);
    while (!over) {
      usleep(500);
      counted = counted + 1;
    }
  });
  itimerval timer = {{0, 40'000}, {0, 40'000}};
  CHECK(setitimer(ITIMER_REAL, &timer, nullptr) == 0);
  constexpr size_t kPages = 20;
  void* mapped = mmap(nullptr, kPages * page, PROT_READ | PROT_WRITE | PROT_EXEC,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CHECK(mapped != MAP_FAILED);
  auto* code = static_cast<char*>(mapped);
  for (size_t i = 0; i < kPages; ++i) {
    char* at = code + i * page;
    memcpy(at, kLoadAndCount, sizeof kLoadAndCount);
    __builtin___clear_cache(at, at + sizeof kLoadAndCount);
    // Until the other one waits for its turn.
    for (int j = 0; j < 1'000'000; ++j) work = work + 1;
    uint64_t before = counted;
    uint64_t seen = reinterpret_cast<uint64_t (*)(volatile uint64_t*)>(at)(&counted);
    uint64_t after = counted;
    CHECK(before <= seen && seen <= after);
    Vary("seen %lu, then %lu; ticks %d", seen, after, ticks);
  }
  timer = {};
  CHECK(setitimer(ITIMER_REAL, &timer, nullptr) == 0);
  over = true;
  Say("counted");
}
