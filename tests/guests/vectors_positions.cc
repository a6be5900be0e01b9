// R02: readv, writev, preadv, pwritev and their second versions, with odd shapes.
#include <sys/uio.h>

#include "guest.h"

int main() {
  int fd = open("data", O_RDWR | O_CREAT, 0644);
  std::string a = Pattern(5000, 1), b = Pattern(3000, 2), c = Pattern(1, 3);
  iovec out[] = {{a.data(), a.size()}, {nullptr, 0}, {b.data(), b.size()}, {c.data(), 1}};
  CHECK(writev(fd, out, 4) == 8001);
  CHECK(pwritev(fd, out, 4, 100'000) == 8001);
  CHECK(pwritev2(fd, out, 1, 1'000'000, 0) == 5000);
  char x[100] = {}, y[9000] = {};
  iovec in[] = {{x, 100}, {y, 9000}};
  CHECK(preadv(fd, in, 2, 0) == 9100);
  Say("%016lx %016lx", Digest(x, 100), Digest(y, 9000));
  CHECK(lseek(fd, 104'000, SEEK_SET) == 104'000);
  CHECK(readv(fd, in, 2) == 9100);
  Say("%016lx %016lx", Digest(x, 100), Digest(y, 9000));
  CHECK(preadv2(fd, in, 2, 1'000'000, 0) == 5000);
  Say("short: %016lx", Digest(y, 4900));
  std::string pieces(1024, 'v');
  iovec many[1025];
  for (int i = 0; i < 1025; ++i) many[i] = {&pieces[i % 1024], 1};
  CHECK(pwritev(fd, many, 1024, 0) == 1024);
  CHECK(pwritev(fd, many, 1025, 0) == -1);
  Say("too many: errno %d", errno);
  Say("seek data %ld hole %ld", static_cast<long>(lseek(fd, 0, SEEK_DATA)),
      static_cast<long>(lseek(fd, 0, SEEK_END)));
}
