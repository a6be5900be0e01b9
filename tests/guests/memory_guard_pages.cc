// R01: a collector's trick: guard pages, a SIGSEGV handler that opens them, one that jumps out.
#include <setjmp.h>
#include <sys/mman.h>

#include "guest.h"

static char* area;
static int opened;
static sigjmp_buf back;

static void Open(int, siginfo_t* info, void*) {
  auto at = reinterpret_cast<uintptr_t>(info->si_addr) & ~4095ul;
  CHECK(mprotect(reinterpret_cast<void*>(at), 4096, PROT_READ | PROT_WRITE) == 0);
  ++opened;
}

static void Escape(int, siginfo_t* info, void*) {
  Say("fault at page %ld, code %d", (static_cast<char*>(info->si_addr) - area) / 4096,
      info->si_code);
  siglongjmp(back, 1);
}

int main() {
  area =
      static_cast<char*>(mmap(nullptr, 100 * 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  struct sigaction action = {};
  action.sa_sigaction = Open;
  action.sa_flags = SA_SIGINFO;
  CHECK(sigaction(SIGSEGV, &action, nullptr) == 0);
  for (int i = 0; i < 100; i += 3) area[i * 4096 + i] = static_cast<char>(i);
  Say("%d pages opened by faults", opened);
  action.sa_sigaction = Escape;
  CHECK(sigaction(SIGSEGV, &action, nullptr) == 0);
  for (int page : {1, 4, 7}) {
    if (sigsetjmp(back, 1) == 0) area[page * 4096] = 1;
  }
  CHECK(sigaction(SIGBUS, &action, nullptr) == 0);
  WriteFile("short", "x");
  int fd = open("short", O_RDONLY);
  area = static_cast<char*>(mmap(nullptr, 8192, PROT_READ, MAP_PRIVATE, fd, 0));
  if (sigsetjmp(back, 1) == 0) Say("%d", const_cast<volatile char*>(area)[4096]);
}
