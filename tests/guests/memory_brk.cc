// R01: the program break grows, shrinks, and grows again zeroed.
#include <sys/syscall.h>

#include "guest.h"

int main() {
  auto start = static_cast<uintptr_t>(syscall(SYS_brk, 0));
  auto* base = reinterpret_cast<char*>(start);
  CHECK(static_cast<uintptr_t>(syscall(SYS_brk, start + 300'000)) == start + 300'000);
  memset(base, 'b', 300'000);
  Say("grown %016lx", Digest(base, 300'000));
  CHECK(static_cast<uintptr_t>(syscall(SYS_brk, start + 5000)) == start + 5000);
  Say("shrunk, kept %016lx", Digest(base, 5000));
  CHECK(static_cast<uintptr_t>(syscall(SYS_brk, start + 100'000)) == start + 100'000);
  Say("grown again: kept %c, zero %d", base[4999], base[8192] == 0 && base[99'999] == 0);
  CHECK(static_cast<uintptr_t>(syscall(SYS_brk, 1)) == start + 100'000);
  CHECK(static_cast<uintptr_t>(syscall(SYS_brk, ~0ul >> 1)) == start + 100'000);
  Say("impossible breaks change nothing");
  CHECK(static_cast<uintptr_t>(syscall(SYS_brk, start)) == start);
}
