// R07: the time goes where the program may write, and nowhere else.
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "guest.h"

static void Ask(const char* name, char* at) {
  long result = syscall(SYS_clock_gettime, CLOCK_MONOTONIC, at);
  int code = result == 0 ? 0 : errno;
  Say("%s: clock_gettime errno %d", name, code);
  result = syscall(SYS_gettimeofday, at, nullptr);
  code = result == 0 ? 0 : errno;
  Say("%s: gettimeofday errno %d", name, code);
#ifdef SYS_time
  result = syscall(SYS_time, at);
  code = result > 0 ? 0 : errno;
  Say("%s: time errno %d", name, code);
#endif
}

int main() {
  size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  auto* memory = static_cast<char*>(
      mmap(nullptr, 3 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  CHECK(memory != MAP_FAILED);
  memset(memory, 'x', 3 * page);
  CHECK(mprotect(memory + page, page, PROT_READ) == 0);
  CHECK(mprotect(memory + 2 * page, page, PROT_NONE) == 0);
  Ask("writable", memory);
  Ask("up to the edge", memory + page - sizeof(timespec));
  Ask("read-only", memory + page);
  Ask("none", memory + 2 * page);
  Ask("null", nullptr);
  Ask("the kernel's", reinterpret_cast<char*>(~uint64_t{0} << 47));
  bool kept = true;
  for (size_t i = 0; i < page; ++i) kept = kept && memory[page + i] == 'x';
  Say("read-only memory is as it was: %d", kept);
  struct timezone zone = {};
  Say("no time, but a zone: %ld", syscall(SYS_gettimeofday, nullptr, &zone));
  // Shared with another process, and untouched so far.
  auto* shared = static_cast<timespec*>(
      mmap(nullptr, page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  CHECK(shared != MAP_FAILED);
  CHECK(clock_gettime(CLOCK_REALTIME, shared) == 0);
  Say("shared memory has it: %d", shared->tv_sec > 0);
}
