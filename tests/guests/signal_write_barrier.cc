// R06: a collector's write barrier: pages made read-only, each thread's first store to one faults,
// its handler notes it and gives the page back, the store is made again.
//! link: threads
#include "thread_guest.h"

constexpr int kPages = 32;
static char* heap;
static std::atomic<int> dirty[kPages];
static std::atomic<int> faults;

static void OnFault(int, siginfo_t* info, void*) {
  auto* at = static_cast<char*>(info->si_addr);
  if (at < heap || at >= heap + kPages * 4096) _exit(98);
  long page = (at - heap) / 4096;
  ++dirty[page];
  ++faults;
  if (mprotect(heap + page * 4096, 4096, PROT_READ | PROT_WRITE) != 0) _exit(97);
}

int main() {
  heap = static_cast<char*>(
      mmap(nullptr, kPages * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  struct sigaction action = {};
  action.sa_sigaction = OnFault;
  action.sa_flags = SA_SIGINFO;
  CHECK(sigaction(SIGSEGV, &action, nullptr) == 0);
  pthread_barrier_t barrier;
  CHECK(pthread_barrier_init(&barrier, nullptr, 5) == 0);
  std::vector<std::unique_ptr<Thread>> threads;
  for (int i = 0; i < 4; ++i) {
    threads.push_back(std::make_unique<Thread>([&, i] {
      for (int round = 0; round < 4; ++round) {
        pthread_barrier_wait(&barrier);
        for (int page = i; page < kPages; page += 4 + round % 2) {
          volatile char* at = heap + page * 4096 + i * 8;
          *at = static_cast<char>(*at * 3 + i + round + page);
          if (page % 8 == 0) sched_yield();
        }
        pthread_barrier_wait(&barrier);
      }
    }));
  }
  for (int round = 0; round < 4; ++round) {
    CHECK(mprotect(heap, kPages * 4096, PROT_READ) == 0);
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    int seen = 0;
    for (auto& page : dirty) seen += page.exchange(0) != 0;
    Say("round %d: %d pages, heap %016lx", round, seen,
        static_cast<unsigned long>(Digest(heap, kPages * 4096)));
  }
  threads.clear();
  Vary("faults %d", faults.load());
}
