// R05: splice, tee and sendfile that block, with offsets that the kernel writes back
// while another thread looks.
//! link: threads
#include <sys/sendfile.h>

#include "thread_guest.h"

static size_t Fill(int fd) {
  CHECK(fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
  std::string bytes(4096, 'f');
  size_t all = 0;
  for (ssize_t put; (put = write(fd, bytes.data(), bytes.size())) > 0;) all += put;
  CHECK(fcntl(fd, F_SETFL, 0) == 0);
  return all;
}

static void Drain(int fd, size_t size) {
  std::string all(size, '\0');
  for (size_t got = 0; got < size;) {
    ssize_t some = read(fd, &all[got], size - got);
    CHECK(some > 0);
    got += some;
  }
  Say("drained %zu, digest %016lx", size, static_cast<unsigned long>(Digest(all.data(), size)));
}

int main() {
  int one[2], two[2];
  CHECK(pipe(one) == 0 && pipe(two) == 0);
  WriteFile("file", Pattern(10'000));
  int fd = open("file", O_RDWR);
  Room offset(sizeof(off64_t));
  auto put = [&] { CHECK(write(one[1], "from the pipe", 13) == 13); };
  *offset.as<off64_t>() = 100;
  Blocked(
      "splice to a file", {{}, {&offset}},
      [&] { return splice(one[0], nullptr, fd, offset.as<off64_t>(), 1000, 0); }, put);
  Say("offset %ld", (long)*offset.as<off64_t>());
  Blocked(
      "tee", {{}, {}}, [&] { return tee(one[0], two[1], 1000, 0); }, put);
  Drain(one[0], 13);
  Drain(two[0], 13);
  Blocked(
      "splice of pipes", {{}, {}},
      [&] { return splice(one[0], nullptr, two[1], nullptr, 1000, 0); }, put);
  Drain(two[0], 13);

  size_t filled = Fill(two[1]);
  offset.Reset();
  *offset.as<off64_t>() = 50;
  Blocked(
      "sendfile", {{}, {&offset}}, [&] { return sendfile(two[1], fd, offset.as<off64_t>(), 500); },
      [&] { Drain(two[0], filled); });
  Say("offset %ld", (long)*offset.as<off64_t>());
  Drain(two[0], 500);
  filled = Fill(two[1]);
  offset.Reset();
  *offset.as<off64_t>() = 150;
  Blocked(
      "splice of a file", {{}, {&offset}},
      [&] { return splice(fd, offset.as<off64_t>(), two[1], nullptr, 300, 0); },
      [&] { Drain(two[0], filled); });
  Say("offset %ld", (long)*offset.as<off64_t>());
  Drain(two[0], 300);
  Say("file %016lx", static_cast<unsigned long>(Digest(ReadFile("file").data(), 10'000)));
}
