// R11: four children compute at the same time, with no calls in between, and agree on the result.
#include "guest.h"

int main() {
  int ends[2];
  CHECK(pipe(ends) == 0);
  for (int i = 0; i < 4; ++i) {
    Child([&] {
      uint64_t sum = 1;
      for (int k = 0; k < 20'000'000; ++k) sum = sum * 6364136223846793005u + k;
      CHECK(write(ends[1], &sum, sizeof(sum)) == sizeof(sum));
    });
  }
  for (int i = 0; i < 4; ++i) {
    uint64_t sum;
    CHECK(read(ends[0], &sum, sizeof(sum)) == sizeof(sum));
    Say("%016lx", sum);
  }
  while (wait(nullptr) > 0) {
  }
}
