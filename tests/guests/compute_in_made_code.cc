// R06: a timer finds the program in code that it has made, and that it makes anew again and again,
// as a just-in-time compiler does: where it is executed, or through another mapping of the memory,
// or in the middle of a reservation so large that no gap is within a jump's reach.
//! link: threads
//! case: in_place
//! case: aliased aliased
//! case: reserved reserved
#include <sys/mman.h>
#include <sys/time.h>

#include <algorithm>
#include <cstring>
#include <string_view>

#include "guest_arch.h"
#include "thread_guest.h"

static volatile int ticks;
static volatile uint64_t word;

// A page in the middle of 16 GiB that can't be used.
static char* ReservedPage(size_t page) {
  const size_t size = size_t{16} << 30;
  void* all = mmap(nullptr, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  CHECK(all != MAP_FAILED);
  char* middle = static_cast<char*>(all) + size / 2;
  CHECK(mprotect(middle, page, PROT_READ | PROT_WRITE | PROT_EXEC) == 0);
  return middle;
}

// The pages around it can't be read, and what was written there would be seen once they can be.
static void CheckReservation(char* code, size_t page) {
  const size_t looked_at = size_t{128} << 20;
  char* begin = code + page;
  CHECK(mprotect(begin, looked_at, PROT_READ) == 0);
  CHECK(std::all_of(begin, begin + looked_at, [](char byte) { return byte == 0; }));
}

int main(int argc, char** argv) {
  struct sigaction action = {};
  action.sa_handler = [](int) { ticks = ticks + 1; };
  action.sa_flags = SA_RESTART;
  CHECK(sigaction(SIGALRM, &action, nullptr) == 0);
  const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  const std::string_view where = argc > 1 ? argv[1] : "";
  const bool aliased = where == "aliased";
  int file = aliased ? memfd_create("code", 0) : -1;
  CHECK(!aliased || ftruncate(file, static_cast<off_t>(page)) == 0);
  auto map = [&](int prot) {
    int flags = aliased ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS;
    void* mapped = mmap(nullptr, page, prot, flags, file, 0);
    CHECK(mapped != MAP_FAILED);
    return static_cast<char*>(mapped);
  };
  char* writable = where == "reserved" ? ReservedPage(page)
                   : aliased           ? map(PROT_READ | PROT_WRITE)
                                       : map(PROT_READ | PROT_WRITE | PROT_EXEC);
  char* code = aliased ? map(PROT_READ | PROT_EXEC) : writable;
  itimerval timer = {{0, 30'000}, {0, 30'000}};
  CHECK(setitimer(ITIMER_REAL, &timer, nullptr) == 0);
  uint64_t sum = 0;
  for (int i = 0, most = Times(20, 5); ticks < most; ++i) {
    const size_t at = static_cast<size_t>(i) % 7 * 64;
    memset(writable, 0, 512);
    memcpy(writable + at, kLoadAndCount, sizeof kLoadAndCount);
    __builtin___clear_cache(writable, writable + page);
    __builtin___clear_cache(code, code + page);
    for (int j = 0; j < 3; ++j) {
      word = static_cast<uint64_t>(i + j);
      sum += reinterpret_cast<uint64_t (*)(volatile uint64_t*)>(code + at)(&word);
    }
  }
  timer = {};
  CHECK(setitimer(ITIMER_REAL, &timer, nullptr) == 0);
  CHECK(sum != 0);
  if (where == "reserved") CheckReservation(code, page);
  Vary("sum %lu", static_cast<unsigned long>(sum));
  Say("counted");
}
