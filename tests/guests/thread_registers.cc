// R05: registers live across waits and switches, vectors among them: each thread keeps 32 vectors'
// worth of its own values and the floating-point modes, while others have theirs.
//! link: threads
#include <fenv.h>

#include "thread_guest.h"

typedef float Vector __attribute__((vector_size(64)));

int main() {
  static std::atomic<uint32_t> turn{0};
  constexpr int kThreads = 4;
  float sums[kThreads] = {};
  const int modes[] = {FE_TONEAREST, FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO};
  double thirds[kThreads];
  std::vector<std::unique_ptr<Thread>> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.push_back(std::make_unique<Thread>([&, i] {
      fesetround(modes[i]);
      Vector a[8];
      for (int k = 0; k < 8; ++k) {
        for (int lane = 0; lane < 16; ++lane)
          a[k][lane] = static_cast<float>(i * 100 + k * 16 + lane);
      }
      for (int round = 0; round < 10; ++round) {
        for (int k = 0; k < 8; ++k) a[k] = a[k] * 1.0001f + a[(k + 1) % 8] * 0.5f;
        // A call that the compiler can't see as one: vectors may stay in registers.
        uint32_t now;
        while ((now = turn.load()) % kThreads != static_cast<uint32_t>(i)) {
          Futex(&turn, FUTEX_WAIT_PRIVATE, now);
        }
        turn = now + 1;
        Futex(&turn, FUTEX_WAKE_PRIVATE, INT_MAX);
      }
      float sum = 0;
      for (auto& vector : a) {
        for (int lane = 0; lane < 16; ++lane) sum += vector[lane];
      }
      sums[i] = sum;
      volatile double one = 1, three = 3;
      thirds[i] = one / three;
      CHECK(fegetround() == modes[i]);
    }));
  }
  threads.clear();
  for (int i = 0; i < kThreads; ++i) Say("%d: %a %a", i, sums[i], thirds[i]);
}
