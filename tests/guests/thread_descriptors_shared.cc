// R05: one descriptor table for all threads: closed under a reader, replaced by dup2 while another
// waits, numbers taken again, unshared by one thread.
//! link: threads
#include <sys/socket.h>

#include "thread_guest.h"

int main() {
  int first[2], second[2];
  CHECK(pipe(first) == 0 && pipe(second) == 0);
  char byte = 0;
  long result = 0;
  {
    Thread reader([&] { result = read(first[0], &byte, 1); });
    reader.AwaitSleep();
    // The reader keeps the old pipe; the number is another one's already.
    CHECK(dup2(second[0], first[0]) == first[0]);
    CHECK(write(first[1], "1", 1) == 1);
  }
  Say("from the old pipe: %ld %c", result, byte);
  CHECK(write(second[1], "2", 1) == 1);
  CHECK(read(first[0], &byte, 1) == 1);
  Say("by the number: %c", byte);
  int pair[2];
  CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
  {
    Thread reader([&] { result = recv(pair[0], &byte, 1, 0); });
    reader.AwaitSleep();
    CHECK(shutdown(pair[0], SHUT_RD) == 0);
  }
  Say("after shutdown %ld", result);
  {
    Thread unshares([&] {
      CHECK(unshare(CLONE_FILES) == 0);
      CHECK(close(pair[1]) == 0);
      Say("closed here: %d", fcntl(pair[1], F_GETFD) < 0);
    });
  }
  Say("open there: %d", fcntl(pair[1], F_GETFD) == 0);
  // All take the lowest free number.
  std::atomic<uint64_t> numbers{0};
  std::vector<std::unique_ptr<Thread>> threads;
  for (int i = 0; i < 5; ++i) {
    threads.push_back(std::make_unique<Thread>([&] {
      for (int j = 0; j < 20; ++j) {
        int fd = open("/dev/null", O_RDONLY);
        CHECK(fd >= 0);
        numbers = numbers * 31 + fd;
        if (j % 5 == 0) sched_yield();
        CHECK(close(fd) == 0);
      }
    }));
  }
  threads.clear();
  Vary("numbers %016lx", static_cast<unsigned long>(numbers.load()));
  int fd = open("/dev/null", O_RDONLY);
  Say("at last %d", fd);
}
