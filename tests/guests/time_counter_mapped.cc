// R07: the counter read by code that the program maps itself: made executable after it was mapped,
// and dropped and read from its file again.
#include <sys/mman.h>

#include "guest.h"
#include "guest_arch.h"

extern "C" __attribute__((noinline)) uint64_t CounterOfThisFile() { return ReadCounter(); }

// Where in this program's file a function is, by the mapping that shows it.
static uint64_t FileOffsetOf(const void* function) {
  auto address = reinterpret_cast<uintptr_t>(function);
  std::string maps = ReadFile("/proc/self/maps");
  for (size_t line = 0; line < maps.size(); line = maps.find('\n', line) + 1) {
    unsigned long start = 0, end = 0, offset = 0;
    if (sscanf(&maps[line], "%lx-%lx %*s %lx", &start, &end, &offset) != 3) break;
    if (start <= address && address < end) return offset + (address - start);
  }
  return 0;
}

int main() {
  const auto page = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  uint64_t last = CounterOfThisFile();
  Vary("linked %lu", last);
  uint64_t offset = FileOffsetOf(reinterpret_cast<void*>(&CounterOfThisFile));
  CHECK(offset != 0);
  int fd = open("/proc/self/exe", O_RDONLY);
  CHECK(fd >= 0);
  uint64_t within = offset % page;
  void* mapped =
      mmap(nullptr, 2 * page, PROT_READ, MAP_PRIVATE, fd, static_cast<off_t>(offset - within));
  CHECK(mapped != MAP_FAILED);
  CHECK(mprotect(mapped, 2 * page, PROT_READ | PROT_EXEC) == 0);
  auto* counter = reinterpret_cast<uint64_t (*)()>(static_cast<char*>(mapped) + within);
  for (const char* when : {"made executable", "read again"}) {
    uint64_t now = counter();
    CHECK(now >= last);
    last = now;
    Vary("%s %lu", when, now);
    CHECK(madvise(mapped, 2 * page, MADV_DONTNEED) == 0);
  }
  InChild([&] {
    CHECK(counter() >= last);
    Vary("child %lu", counter());
  });
  Say("forward");
}
