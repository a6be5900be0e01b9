// R07: the CPU's own counters, by instruction: they go forward and differ from run to run.
#include "guest.h"
#include "guest_arch.h"

int main() {
  uint64_t last = ReadCounter();
  uint64_t digest = 0;
  for (int i = 0; i < 200; ++i) {
    uint64_t now = ReadCounter();
    CHECK(now >= last);
    last = now;
    digest = Digest(&now, sizeof(now), digest);
  }
  uint32_t cpu = 0;
  uint64_t value = ReadCounterAndCpu(&cpu);
  CHECK(value >= last);
  Say("forward");
  Vary("%lu %016lx cpu %u", value, digest, cpu);
  InChild([&] {
    CHECK(ReadCounter() >= value);
    Vary("child %lu", ReadCounter());
  });
}
