// R04: more than 64 KiB through pipes in both directions at once, with calls that block on both
// sides.
#include <poll.h>

#include "guest.h"

int main() {
  int down[2], up[2];
  CHECK(pipe(down) == 0 && pipe(up) == 0);
  pid_t pid = Child([&] {
    close(down[1]);
    close(up[0]);
    char buffer[5000];
    ssize_t got;
    while ((got = read(down[0], buffer, sizeof(buffer))) > 0) {
      for (ssize_t i = 0; i < got; ++i) buffer[i] ^= 0x55;
      for (ssize_t done = 0; done < got;) done += write(up[1], buffer + done, got - done);
    }
  });
  close(down[0]);
  close(up[1]);
  CHECK(fcntl(down[1], F_SETFL, O_NONBLOCK) == 0);
  std::string data = Pattern(1'000'000), back;
  size_t sent = 0;
  char buffer[7000];
  while (back.size() < data.size()) {
    pollfd fds[2] = {{up[0], POLLIN, 0}, {sent < data.size() ? down[1] : -1, POLLOUT, 0}};
    CHECK(poll(fds, 2, 30'000) > 0);
    if (fds[1].revents) {
      ssize_t wrote = write(down[1], data.data() + sent, data.size() - sent);
      if (wrote > 0) sent += wrote;
      if (sent == data.size()) close(down[1]);
    }
    if (fds[0].revents & POLLIN) {
      ssize_t got = read(up[0], buffer, sizeof(buffer));
      CHECK(got > 0);
      back.append(buffer, got);
    }
  }
  for (char& c : back) c ^= 0x55;
  Say("same: %d, digest %016lx", back == data, Digest(back.data(), back.size()));
  CHECK(WaitFor(pid) == 0);
}
