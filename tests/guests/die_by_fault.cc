// R01: death by an instruction: a fault nobody handles.
//! case: null null
//! case: readonly readonly
//! case: illegal illegal
//! case: trap trap
//! case: stack stack
//! case: beyond_file beyond_file
//! case: abort abort
#include <sys/mman.h>
#include <sys/resource.h>

#include "guest.h"
#include "guest_arch.h"

static int Deeper(int n) {
  volatile char space[65536];
  space[0] = static_cast<char>(n);
  return n < 1'000'000 ? Deeper(n + 1) + space[0] : n;
}

int main(int, char** argv) {
  rlimit none = {0, 0};
  CHECK(setrlimit(RLIMIT_CORE, &none) == 0);
  std::string how = argv[1];
  Say("dying by %s", argv[1]);
  if (how == "null") *reinterpret_cast<volatile int*>(8) = 1;
  if (how == "readonly") {
    volatile char* page =
        static_cast<char*>(mmap(nullptr, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    page[0] = 1;
  }
  if (how == "illegal") IllegalInstruction();
  if (how == "trap") TrapInstruction();
  if (how == "stack") return Deeper(0);
  if (how == "beyond_file") {
    WriteFile("short", "x");
    int fd = open("short", O_RDWR);
    volatile char* pages = static_cast<char*>(mmap(nullptr, 1 << 20, PROT_READ, MAP_SHARED, fd, 0));
    return pages[1 << 19];
  }
  if (how == "abort") abort();
  return 1;
}
