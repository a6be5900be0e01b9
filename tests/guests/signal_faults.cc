// R06: handlers of synchronous faults: each kind, what it is told, returning after mending.
#include <setjmp.h>
#include <sys/mman.h>

#include "guest.h"
#include "guest_arch.h"

static sigjmp_buf back;
static char* page;

static void OnFault(int number, siginfo_t* info, void*) {
  Say("signal %d code %d address %s", number, info->si_code,
      info->si_addr == page      ? "page"
      : info->si_addr == nullptr ? "null"
                                 : "other");
  siglongjmp(back, 1);
}

static void Mend(int, siginfo_t*, void*) {
  CHECK(mprotect(page, 4096, PROT_READ | PROT_WRITE) == 0);
}

int main() {
  struct sigaction action = {};
  action.sa_sigaction = OnFault;
  action.sa_flags = SA_SIGINFO;
  for (int number : {SIGSEGV, SIGILL, SIGTRAP, SIGBUS, SIGFPE}) {
    CHECK(sigaction(number, &action, nullptr) == 0);
  }
  page = static_cast<char*>(mmap(nullptr, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  if (sigsetjmp(back, 1) == 0) *static_cast<volatile char*>(nullptr) = 1;
  if (sigsetjmp(back, 1) == 0) *const_cast<volatile char*>(page) = 1;
  if (sigsetjmp(back, 1) == 0) IllegalInstruction();
  if (sigsetjmp(back, 1) == 0) TrapInstruction();
  if (sigsetjmp(back, 1) == 0) raise(SIGFPE);
  action.sa_sigaction = Mend;
  CHECK(sigaction(SIGSEGV, &action, nullptr) == 0);
  *const_cast<volatile char*>(page) = 'm';
  Say("mended: %c", page[0]);
  long faults = 0;
  for (int i = 0; i < Times(200, 20); ++i) {
    CHECK(mprotect(page, 4096, PROT_READ) == 0);
    const_cast<volatile char*>(page)[i] = static_cast<char>(i);
    ++faults;
  }
  Say("%ld more", faults);
}
