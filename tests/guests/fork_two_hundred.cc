// R04: 200 children alive at once, each computing and telling a sum through one pipe; then reaped
// in whatever order.
#include "guest.h"

int main() {
  int ends[2];
  CHECK(pipe(ends) == 0);
  for (int i = 0; i < 200; ++i) {
    Child([&] {
      uint64_t sum = i;
      for (int k = 0; k < 20'000; ++k) sum = sum * 6364136223846793005u + 1442695040888963407u;
      CHECK(write(ends[1], &sum, sizeof(sum)) == sizeof(sum));
      _exit(i % 100);
    });
  }
  uint64_t total = 0, order = 0;
  for (int i = 0; i < 200; ++i) {
    uint64_t sum;
    CHECK(read(ends[0], &sum, sizeof(sum)) == sizeof(sum));
    total += sum;
    order = order * 31 + sum;
  }
  int statuses = 0, count = 0, status;
  for (pid_t pid; (pid = wait(&status)) > 0; ++count) statuses += WEXITSTATUS(status);
  Say("total %016lx, %d children, statuses %d", total, count, statuses);
  Vary("order %016lx", order);
}
