// R01: a gigabyte reserved, a few pages touched: it must not be copied or scanned whole.
#include <sys/mman.h>

#include "guest.h"

int main() {
  constexpr size_t kSize = size_t{8} << 30;
  auto* area = static_cast<char*>(mmap(nullptr, kSize, PROT_READ | PROT_WRITE,
                                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
  CHECK(area != MAP_FAILED);
  for (size_t at = 0; at < kSize; at += kSize / 16) area[at + 5] = static_cast<char>(at >> 28);
  uint64_t sum = 0;
  for (size_t at = 0; at < kSize; at += kSize / 16)
    sum = sum * 31 + static_cast<uint8_t>(area[at + 5]);
  InChild([&] { Say("child: %lu", sum + area[5]); });
  CHECK(munmap(area + kSize / 2, kSize / 2) == 0);
  Say("sum %lu", sum);
}
