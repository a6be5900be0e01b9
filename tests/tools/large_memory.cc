// Memory so large that a checkpoint reads it from a copy, while the program goes on writing to it:
// each pass gives every page, in order, the number of the pass. At any instant the pages up to one
// are of a pass and the others of the one before; the memory that a restored program begins with
// must be of one instant, too. Some of it a copy made by a fork would lack.
//
// Says "same" if all that holds until a file "go" has appeared, and if no child, signal or failed
// call was ever seen.
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace {

// <asm-generic/mman-common.h>, Linux 6.13.
constexpr int kGuardInstall = 102;

const size_t kPage = static_cast<size_t>(sysconf(_SC_PAGESIZE));
constexpr size_t kBytes = 64 << 20;
constexpr size_t kSmallPages = 8;

volatile sig_atomic_t signals_seen = 0;
int failures = 0;

void Fail(const char* what) {
  printf("not as it was: %s\n", what);
  ++failures;
}

char* Map(size_t bytes, int flags) {
  void* at = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS, -1, 0);
  if (at == MAP_FAILED) abort();
  return static_cast<char*>(at);
}

// Memory that takes part, page by page.
struct Area {
  char* start;
  size_t pages;
  std::atomic_ref<uint64_t> At(size_t page) const {
    return std::atomic_ref(*reinterpret_cast<uint64_t*>(start + page * kPage));
  }
};

bool InOrder(const Area& area, uint64_t pass, size_t next) {
  for (size_t page = 0; page < area.pages; ++page) {
    if (area.At(page) != (page < next ? pass : pass - 1)) return false;
  }
  return true;
}

}  // namespace

int main() {
  setvbuf(stdout, nullptr, _IOLBF, 0);
  struct sigaction action {};
  action.sa_handler = [](int) { signals_seen = signals_seen + 1; };
  sigaction(SIGCHLD, &action, nullptr);

  Area large{Map(kBytes, MAP_PRIVATE), kBytes / kPage};
  Area not_forked{Map(kSmallPages * kPage, MAP_PRIVATE), kSmallPages};
  Area wiped{Map(kSmallPages * kPage, MAP_PRIVATE), kSmallPages};
  Area shared{Map(kSmallPages * kPage, MAP_SHARED), kSmallPages};
  char* guarded = Map(4 * kPage, MAP_PRIVATE);
  memset(guarded, 7, 4 * kPage);
  bool has_guards = madvise(guarded + kPage, 2 * kPage, kGuardInstall) == 0;
  madvise(not_forked.start, kSmallPages * kPage, MADV_DONTFORK);
  madvise(wiped.start, kSmallPages * kPage, MADV_WIPEONFORK);

  const Area areas[] = {large, not_forked, wiped, shared};
  size_t total = 0;
  for (const Area& area : areas) total += area.pages;
  bool said = false;
  for (uint64_t pass = 1;; ++pass) {
    // Which page is next is in a register or on the stack: it is of the same instant.
    for (size_t next = 0; next < total; ++next) {
      size_t page = next;
      for (const Area& area : areas) {
        if (page < area.pages) {
          if (area.At(page) != pass - 1) Fail("a page's pass");
          area.At(page) = pass;
          break;
        }
        page -= area.pages;
      }
    }
    if (waitpid(-1, nullptr, __WALL | WNOHANG) != -1 || errno != ECHILD) Fail("its children");
    if (!said) puts("ready");
    said = true;
    if (access("go", F_OK) == 0) {
      for (const Area& area : areas)
        if (!InOrder(area, pass, area.pages)) Fail("a page at the end");
      break;
    }
  }
  if (signals_seen != 0) Fail("its signals");
  if (has_guards) {
    // A call fails where a guard is, and nowhere else.
    int ends[2];
    if (pipe(ends) != 0) abort();
    for (size_t page = 0; page < 4; ++page) {
      bool can_read = write(ends[1], guarded + page * kPage, 1) == 1;
      if (can_read != (page == 0 || page == 3)) Fail("a guard page");
    }
  }
  if (failures == 0) puts("same");
  return 0;
}
