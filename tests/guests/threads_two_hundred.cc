// R05: 200 threads at once (fewer on a slow machine), each with its own stack, variable and id;
// then as many one after another.
//! link: threads
#include "thread_guest.h"

static thread_local uint64_t own;

int main() {
  const int count = Times(200, 40);
  pthread_barrier_t barrier;
  CHECK(pthread_barrier_init(&barrier, nullptr, static_cast<unsigned>(count) + 1) == 0);
  std::atomic<uint64_t> sum{0};
  std::atomic<int> order{0};
  static int arrived[200];
  std::vector<std::unique_ptr<Thread>> threads;
  for (int i = 0; i < count; ++i) {
    threads.push_back(std::make_unique<Thread>([&, i] {
      own = i;
      char local[3000];
      memset(local, i, sizeof(local));
      pthread_barrier_wait(&barrier);
      CHECK(own == static_cast<uint64_t>(i));
      sum += Digest(local, sizeof(local)) * (own + 1);
      arrived[order++] = i;
    }));
  }
  pthread_barrier_wait(&barrier);
  threads.clear();
  Say("sum %016lx of %d", static_cast<unsigned long>(sum.load()), order.load());
  Vary("order %016lx", static_cast<unsigned long>(Digest(arrived, sizeof(arrived))));
  long result = 0;
  for (int i = 0; i < count; ++i) {
    Thread([&, i] { result = result * 3 + i; }).Join();
  }
  Say("one by one %ld", result);
}
