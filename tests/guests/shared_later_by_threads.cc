// R04: a process with threads comes to share memory with another one, which sleeps or is busy,
// while a thread waits for what has been written just before the call that maps it.
//! link: threads
//! case: sleeps sleeps
//! case: calls calls
#include <sys/mman.h>

#include "thread_guest.h"

static std::atomic<int> flag;
static std::atomic<uint64_t> waited;

int main(int, char** argv) {
  bool sleeps = argv[1] == std::string("sleeps");
  int fd = memfd_create("shared", 0);
  CHECK(fd >= 0 && ftruncate(fd, 4096) == 0);
  auto map = [fd] { return mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0); };
  int ends[2];
  CHECK(pipe(ends) == 0);
  pid_t child = Child([&] {
    auto* word = static_cast<std::atomic<int>*>(map());
    CHECK(write(ends[1], "m", 1) == 1);
    int rounds = 0;
    for (; *word == 0; ++rounds) {
      if (sleeps) usleep(1000);
      getppid();
    }
    Say("child: %d", word->load());
    Vary("%d rounds", rounds);
  });
  char ready = 0;
  CHECK(read(ends[0], &ready, 1) == 1);
  auto* waits = new Thread([] {
    while (flag == 0) waited = waited + 1;
    Say("thread: sees it");
  });
  while (waited == 0) usleep(1000);
  flag = 1;
  auto* word = static_cast<std::atomic<int>*>(map());
  CHECK(word != MAP_FAILED);
  delete waits;
  *word = 7;
  CHECK(WaitFor(child) == 0);
  Say("end");
}
