// R07: what the CPU says of itself and which CPU it is.
#include <sched.h>
#include <sys/syscall.h>

#include "guest.h"
#include "guest_arch.h"

int main() {
  for (uint32_t leaf : {0u, 1u, 7u, 0xbu}) {
    uint32_t out[4];
    IdentifyCpu(leaf, out);
    Vary("leaf %x: %08x %08x %08x %08x", leaf, out[0], out[1], out[2], out[3]);
  }
  unsigned cpu = 0, node = 0;
  CHECK(getcpu(&cpu, &node) == 0);
  unsigned raw = 0;
  CHECK(syscall(SYS_getcpu, &raw, nullptr, nullptr) == 0);
  Vary("cpu %u %u %d node %u", cpu, raw, sched_getcpu(), node);
  Say("known: %d", sched_getcpu() >= 0);
  Say("architecture " GUEST_ARCH_NAME);
}
