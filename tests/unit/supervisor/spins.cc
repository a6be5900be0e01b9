// Compiled once with RETAKE_SPINS=O0 and once with RETAKE_SPINS=O2, at those levels.
#include "tests/unit/supervisor/spins.h"

#include <pthread.h>
#include <sched.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "arch_code.h"

#define RETAKE_CONCAT2(a, b) a##b
#define RETAKE_CONCAT(a, b) RETAKE_CONCAT2(a, b)
#define RETAKE_STRING2(a) #a
#define RETAKE_STRING(a) RETAKE_STRING2(a)

namespace retake {

// Defined once, by the unoptimised copy.
#ifdef RETAKE_SPINS_DEFINE
std::atomic<int> spin_flag;
#endif

namespace {

std::atomic<bool> lock;
std::atomic<unsigned> serving;
std::atomic<int> owner{1};
volatile uint64_t counter;
uint64_t table[4096];
alignas(128) uint8_t block[512];

bool Set() { return spin_flag.load(std::memory_order_acquire) != 0; }

void PlainFlag() {
  while (spin_flag.load(std::memory_order_relaxed) == 0) {
  }
}
void FlagWithPause() {
  while (!Set()) Pause();
}
void TestAndSet() {
  lock = true;
  while (lock.exchange(true, std::memory_order_acquire) && !Set()) Pause();
}
void TicketLock() {
  unsigned mine = serving.load() + 1;
  while (serving.load() != mine && !Set()) {
    for (int i = 0; i < 20; ++i) Pause();
  }
}
void CompareAndSwap() {
  int expected = 0;
  do {
    expected = 0;
  } while (!owner.compare_exchange_weak(expected, 1) && !Set());
}
void SaturatingBackoff() {
  int rounds = 1;
  while (!Set()) {
    for (int i = 0; i < rounds; ++i) Pause();
    if (rounds < 64) rounds *= 2;
  }
}
void LibrarySpinLock() {
  pthread_spinlock_t spin;
  pthread_spin_init(&spin, PTHREAD_PROCESS_PRIVATE);
  pthread_spin_lock(&spin);
  while (!Set() && pthread_spin_trylock(&spin) != 0) {
  }
}
// Writes every round, but the same.
void ClearsABlock() {
  while (!Set()) {
    memset(block, 0, sizeof block);
    asm volatile("" ::: "memory");
  }
}
// Goes through the same registers twice in a round, with other memory.
__attribute__((noinline)) void Toggle() { counter = counter ^ 1; }
void TogglesMemory() {
  while (!Set()) Toggle();
}
// Writes through an instruction whose extent is known to nobody but the kernel and the CPU.
void WritesUnknown() {
  while (!Set()) WriteUnknownExtent(block);
}
void StoresFlags() {
  while (!Set()) StoreFlags();
}

void CountsInRegister() {
  uint64_t count = 0;
  while (!Set()) {
    ++count;
    asm volatile("" : "+r"(count));
  }
}
void CountsInMemory() {
  while (!Set()) counter = counter + 1;
}
// The registers are the same every round.
void CountsInMemoryOnly() {
  while (!Set()) IncrementMemory(&counter);
}
void CountsInVector() {
  double sum = 0;
  while (!Set()) {
    sum += 0.5;
    KeepInVectorRegister(sum);
  }
}
void WalksThroughMemory() {
  for (size_t at = 0; !Set(); at = (at + 1) % 4096) table[at] += 1;
}
void DrawsNumbers() {
  uint64_t state = 88172645463325252;
  while (!Set()) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    asm volatile("" : "+r"(state));
  }
}
void UnboundedBackoff() {
  for (int rounds = 1; !Set(); ++rounds) {
    for (int i = 0; i < rounds; ++i) Pause();
  }
}
void CountsBehindUnknown() {
  while (!Set()) {
    WriteUnknownExtent(block);
    IncrementMemory(&counter);
  }
}

void Yields() {
  while (!Set()) sched_yield();
}

constexpr Loop kSpins[] = {
    {"plain flag", PlainFlag},
    {"flag with pause", FlagWithPause},
    {"test and set", TestAndSet},
    {"ticket lock", TicketLock},
    {"compare and swap", CompareAndSwap},
    {"saturating back-off", SaturatingBackoff},
    {"library's spin lock", LibrarySpinLock},
    {"clears a block", ClearsABlock},
    {"toggles memory", TogglesMemory},
    {"writes unknown", WritesUnknown},
    {"stores flags", StoresFlags},
};
constexpr Loop kComputations[] = {
    {"counts in a register", CountsInRegister},
    {"counts in memory", CountsInMemory},
    {"counts in memory only", CountsInMemoryOnly},
    {"counts in a vector register", CountsInVector},
    {"walks through memory", WalksThroughMemory},
    {"draws numbers", DrawsNumbers},
    {"unbounded back-off", UnboundedBackoff},
    {"counts behind an unknown write", CountsBehindUnknown},
};

}  // namespace

Loops RETAKE_CONCAT(LoopsAt, RETAKE_SPINS)() {
  return {RETAKE_STRING(RETAKE_SPINS),
          kSpins,
          static_cast<int>(std::size(kSpins)),
          kComputations,
          static_cast<int>(std::size(kComputations)),
          Yields};
}

}  // namespace retake
