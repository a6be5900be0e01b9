// Threads, undiluted. `threads mutex N` and `threads spin N`: two hand a turn to each other N
// times, by a mutex with a condition variable or by spinning. `threads pool N`: eight take N small
// pieces of work from a queue. `threads compute N`: one computes, N million rounds, with no call in
// between.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

namespace {

uint64_t Compute(long rounds) {
  uint64_t state = 88172645463325252;
  for (long i = 0; i < rounds; ++i) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
  }
  return state;
}

long HandOverByMutex(long rounds) {
  std::mutex mutex;
  std::condition_variable changed;
  long turn = 0;
  auto play = [&](int me) {
    for (long i = me; i < rounds; i += 2) {
      std::unique_lock lock(mutex);
      changed.wait(lock, [&] { return turn == i; });
      ++turn;
      changed.notify_one();
    }
  };
  std::thread other(play, 1);
  play(0);
  other.join();
  return turn;
}

long HandOverBySpinning(long rounds) {
  std::atomic<long> turn = 0;
  auto play = [&](int me) {
    for (long i = me; i < rounds; i += 2) {
      while (turn.load(std::memory_order_acquire) != i) {
      }
      turn.store(i + 1, std::memory_order_release);
    }
  };
  std::thread other(play, 1);
  play(0);
  other.join();
  return turn;
}

uint64_t WorkInAPool(long pieces) {
  std::mutex mutex;
  long next = 0;
  uint64_t sum = 0;
  auto work = [&] {
    for (;;) {
      {
        std::lock_guard lock(mutex);
        if (next++ >= pieces) return;
      }
      uint64_t result = Compute(100'000);
      std::lock_guard lock(mutex);
      sum += result;
    }
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) threads.emplace_back(work);
  for (std::thread& thread : threads) thread.join();
  return sum;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    fprintf(stderr, "usage: threads mutex|spin|pool|compute N\n");
    return 2;
  }
  long count = atol(argv[2]);
  if (strcmp(argv[1], "mutex") == 0) {
    printf("%ld\n", HandOverByMutex(count));
  } else if (strcmp(argv[1], "spin") == 0) {
    printf("%ld\n", HandOverBySpinning(count));
  } else if (strcmp(argv[1], "pool") == 0) {
    printf("%llu\n", static_cast<unsigned long long>(WorkInAPool(count)));
  } else if (strcmp(argv[1], "compute") == 0) {
    printf("%llu\n", static_cast<unsigned long long>(Compute(count * 1'000'000)));
  } else {
    return 2;
  }
}
