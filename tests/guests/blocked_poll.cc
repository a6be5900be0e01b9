// R05: poll, ppoll, select and pselect that block while another thread looks at what they are to
// fill in, and time-outs that the kernel writes back.
//! link: threads
#include <poll.h>
#include <sys/select.h>

#include "thread_guest.h"

int main() {
  int ends[2], other[2];
  CHECK(pipe(ends) == 0 && pipe(other) == 0);
  char byte;
  auto put = [&] { CHECK(write(ends[1], "x", 1) == 1); };
  auto get = [&] { CHECK(read(ends[0], &byte, 1) == 1); };

  Room polled(3 * sizeof(pollfd));
  auto* fds = polled.as<pollfd>();
  auto fill = [&] {
    polled.Reset();
    fds[0] = {other[0], POLLIN, 0x77};
    fds[1] = {ends[0], POLLIN, 0x77};
    fds[2] = {-1, POLLIN, 0x77};
  };
  fill();
  Blocked(
      "poll", {{}, {&polled}}, [&] { return poll(fds, 3, -1); }, put);
  Say("poll: %x %x %x", fds[0].revents, fds[1].revents, fds[2].revents);
  get();
  fill();
  Blocked(
      "poll with time-out", {{}, {&polled}}, [&] { return poll(fds, 3, 10'000); }, put);
  get();
  fill();
  Room timeout(sizeof(timespec));
  *timeout.as<timespec>() = {100, 0};
  sigset_t mask;
  sigemptyset(&mask);
  // The library's ppoll hides that the kernel writes the time that is left.
  Blocked(
      "ppoll", {{}, {&polled, &timeout}, true},
      [&] { return syscall(SYS_ppoll, fds, 3, timeout.at(), &mask, 8); }, put);
  Say("ppoll: %x %x %x, some time left %d", fds[0].revents, fds[1].revents, fds[2].revents,
      timeout.as<timespec>()->tv_sec == 99);
  get();
  fill();
  timeout.Reset();
  *timeout.as<timespec>() = {0, 40'000'000};
  Blocked(
      "ppoll that times out", {{}, {&polled, &timeout}},
      [&] { return syscall(SYS_ppoll, fds, 3, timeout.at(), nullptr, 8); }, [] {});
  Say("left: %ld", timeout.as<timespec>()->tv_nsec);

  Room reads(sizeof(fd_set)), writes(sizeof(fd_set)), left(sizeof(timeval));
  auto sets = [&] {
    for (Room* room : {&reads, &writes}) {
      room->Reset();
      memset(room->at(), 0, room->size());
    }
    FD_SET(ends[0], reads.as<fd_set>());
    FD_SET(other[0], reads.as<fd_set>());
    FD_SET(other[0], writes.as<fd_set>());
  };
  sets();
  left.Reset();
  *left.as<timeval>() = {100, 0};
  Blocked(
      "select", {{}, {&reads, &writes, &left}, true},
      [&] {
        return select(ends[0] + other[0] + 1, reads.as<fd_set>(), writes.as<fd_set>(), nullptr,
                      left.as<timeval>());
      },
      put);
  Say("select: %d %d %d, some time left %d", FD_ISSET(ends[0], reads.as<fd_set>()) != 0,
      FD_ISSET(other[0], reads.as<fd_set>()) != 0, FD_ISSET(other[0], writes.as<fd_set>()) != 0,
      left.as<timeval>()->tv_sec == 99);
  get();
  sets();
  // Only the words up to the highest descriptor may be written.
  Blocked(
      "pselect", {{}, {&reads, &writes}},
      [&] {
        return pselect(other[0] + 1, reads.as<fd_set>(), nullptr, writes.as<fd_set>(), nullptr,
                       &mask);
      },
      put);
  Say("pselect: %d %d", FD_ISSET(ends[0], reads.as<fd_set>()) != 0,
      FD_ISSET(other[0], reads.as<fd_set>()) != 0);
  get();
  sets();
  left.Reset();
  *left.as<timeval>() = {0, 30'000};
  Blocked(
      "select that times out", {{}, {&reads, &left}},
      [&] {
        return select(other[0] + 1, reads.as<fd_set>(), nullptr, nullptr, left.as<timeval>());
      },
      [] {});
}
