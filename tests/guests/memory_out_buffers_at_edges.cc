// R01: kernel outputs that end at the last byte before an unmapped page, with canaries before them:
// nothing outside what the call returns may be written, nor read past.
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <time.h>

#include "guest.h"

static char* edge;

// The last `size` bytes before the edge, canaries around.
static char* Room(size_t size) {
  memset(edge - 8192, 0x5a, 8192);
  return edge - size;
}

static void CheckCanaries(size_t size, const char* what) {
  for (char* p = edge - 8192; p < edge - size; ++p) CHECK(*p == 0x5a);
  Say("%s: fits", what);
}

int main() {
  auto* area = static_cast<char*>(
      mmap(nullptr, 16384, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  CHECK(munmap(area + 8192, 8192) == 0);
  edge = area + 8192;
  WriteFile("data", Pattern(1000));
  int fd = open("data", O_RDONLY);
  CHECK(pread(fd, Room(1000), 5000, 0) == 1000);
  CheckCanaries(1000, "pread");
  Room(1000);
  CHECK(pread(fd, edge - 1000, 100, 0) == 100);
  CHECK(edge[-900] == 0x5a && edge[-1] == 0x5a);
  Say("short read leaves the rest alone");
  CHECK(fstat(fd, reinterpret_cast<struct stat*>(Room(sizeof(struct stat)))) == 0);
  CheckCanaries(sizeof(struct stat), "fstat");
  CHECK(uname(reinterpret_cast<utsname*>(Room(sizeof(utsname)))) == 0);
  CheckCanaries(sizeof(utsname), "uname");
  CHECK(clock_gettime(CLOCK_REALTIME, reinterpret_cast<timespec*>(Room(16))) == 0);
  CheckCanaries(16, "clock_gettime");
  CHECK(pipe(reinterpret_cast<int*>(Room(8))) == 0);
  int ends[2];
  memcpy(ends, edge - 8, 8);
  CheckCanaries(8, "pipe");
  CHECK(write(ends[1], "abcdef", 6) == 6);
  iovec pieces[3] = {{edge - 6, 2}, {edge - 4, 4}, {nullptr, 0}};
  Room(6);
  CHECK(readv(ends[0], pieces, 2) == 6);
  CheckCanaries(6, "readv");
  Say("[%.6s]", edge - 6);
  char* name = Room(6);
  memcpy(name, "data\0", 5);
  memmove(edge - 5, name, 5);
  CHECK(access(edge - 5, R_OK) == 0);
  Say("path that ends at the edge");
  memcpy(edge - 4, "data", 4);
  CHECK(access(edge - 4, R_OK) == -1 && errno == EFAULT);
  Say("path that runs over it: EFAULT");
  CHECK(getcwd(Room(4), 4) == nullptr && errno == ERANGE);
  auto* fds = reinterpret_cast<pollfd*>(Room(sizeof(pollfd)));
  *fds = {ends[1], POLLOUT, 0};
  CHECK(poll(fds, 1, 0) == 1);
  CheckCanaries(sizeof(pollfd), "poll");
  CHECK(write(ends[1], "xyz", 3) == 3);
  CHECK(read(ends[0], edge - 2, 3) == -1 && errno == EFAULT);
  Say("read over the edge: EFAULT");
  auto* set = reinterpret_cast<sigset_t*>(Room(8));
  CHECK(sigprocmask(SIG_BLOCK, nullptr, set) == 0);
  CheckCanaries(8, "sigprocmask");
  socklen_t size = 0;
  int pair[2];
  CHECK(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) == 0);
  CHECK(send(pair[0], "0123456789", 10, 0) == 10);
  CHECK(recvfrom(pair[1], Room(4), 4, MSG_TRUNC, nullptr, &size) == 10);
  CheckCanaries(4, "recvfrom, truncated");
}
