// R04: pipes at their edges: EPIPE and SIGPIPE, full, non-blocking, resized, packets, fifos by
// name.
#include <sys/stat.h>

#include "guest.h"

int main() {
  int ends[2];
  CHECK(pipe2(ends, O_NONBLOCK) == 0);
  std::string page(4096, 'p');
  int pages = 0;
  while (write(ends[1], page.data(), page.size()) == 4096) ++pages;
  Say("full after %d pages, errno %d", pages, errno);
  CHECK(fcntl(ends[1], F_SETPIPE_SZ, 131072) == 131072);
  CHECK(write(ends[1], page.data(), page.size()) == 4096);
  while (read(ends[0], page.data(), page.size()) > 0) --pages;
  Say("drained, errno %d, balance %d", errno, pages);
  close(ends[0]);
  signal(SIGPIPE, SIG_IGN);
  CHECK(write(ends[1], "x", 1) == -1);
  Say("no reader: errno %d", errno);
  int status = WaitFor(Child([&] {
    signal(SIGPIPE, SIG_DFL);
    CHECK(write(ends[1], "x", 1) == 1);
  }));
  Say("%s", StatusText(status).c_str());
  CHECK(mkfifo("fifo", 0600) == 0);
  pid_t pid = Child([] {
    int fd = open("fifo", O_WRONLY);
    CHECK(write(fd, "through a fifo", 14) == 14);
  });
  int fd = open("fifo", O_RDONLY);
  Say("[%s]", ReadAll(fd).c_str());
  CHECK(WaitFor(pid) == 0);
}
