// R05: a process waits in read with its buffer in memory that it shares with another process, which
// looks at that memory all the while.
//! link: threads
#include "thread_guest.h"

int main() {
  auto* shared = static_cast<volatile unsigned char*>(
      mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  auto* tid = reinterpret_cast<volatile pid_t*>(shared + 2048);
  int ends[2];
  CHECK(pipe(ends) == 0);
  for (int round = 0; round < 5; ++round) {
    memset(const_cast<unsigned char*>(shared), 0x5a, 200);
    pid_t child = Child([&] {
      *tid = getpid();
      CHECK(read(ends[0], const_cast<unsigned char*>(shared) + 50, 100) == 20);
    });
    while (*tid != child) usleep(300);
    AwaitSleep(child);
    CHECK(write(ends[1], "twenty bytes of text", 20) == 20);
    int changed = -1;
    uint64_t seen = 0;
    for (int i = 0; i < 3000; ++i) {
      uint64_t now = 0;
      for (int k = 40; k < 80; ++k) now = now * 31 + shared[k];
      if (changed < 0 && shared[50] != 0x5a) changed = i;
      seen = seen * 31 + now;
      shared[49] = static_cast<unsigned char>(shared[49] + 1);
    }
    CHECK(WaitFor(child) == 0);
    Say("beside %d, digest %016lx", shared[49],
        static_cast<unsigned long>(Digest(const_cast<unsigned char*>(shared), 200)));
    Vary("changed at %d, seen %016lx", changed, static_cast<unsigned long>(seen));
    *tid = 0;
  }
}
