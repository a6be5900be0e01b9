// R05: the widest registers that the CPU has, held by several threads at once across system calls
// at which they take turns; tiles where there are any.
//! link: threads
#include "guest_arch.h"
#include "thread_guest.h"

int main() {
  pthread_barrier_t barrier;
  CHECK(pthread_barrier_init(&barrier, nullptr, 3) == 0);
  bool held[3];
  long tiles[3];
  std::vector<std::unique_ptr<Thread>> threads;
  for (int i = 0; i < 3; ++i) {
    threads.push_back(std::make_unique<Thread>([&, i] {
      pthread_barrier_wait(&barrier);
      held[i] = HoldsWideRegisters(i + 1);
      tiles[i] = UseWideTiles();
    }));
  }
  threads.clear();
  Say("held: %d %d %d", held[0], held[1], held[2]);
  Say("tiles the same in each: %d", tiles[0] == tiles[1] && tiles[1] == tiles[2]);
}
