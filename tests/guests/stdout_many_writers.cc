// R01: several processes write to one stdout in an order that they agree on; the replay shows that
// order.
#include "guest.h"

int main() {
  constexpr int kWriters = 5;
  int turn[kWriters + 1][2];
  for (auto& ends : turn) CHECK(pipe(ends) == 0);
  pid_t pids[kWriters];
  for (int i = 0; i < kWriters; ++i) {
    pids[i] = Child([&] {
      for (int round = 0; round < 20; ++round) {
        char token;
        CHECK(read(turn[i][0], &token, 1) == 1);
        if (round % 3 == i % 3) {
          dprintf(2, "writer %d round %d (stderr)\n", i, round);
        }
        Say("writer %d round %d", i, round);
        CHECK(write(turn[(i + 1) % kWriters][1], "t", 1) == 1);
      }
    });
  }
  CHECK(write(turn[0][1], "t", 1) == 1);
  for (pid_t pid : pids) CHECK(WaitFor(pid) == 0);
  Say("all done");
}
