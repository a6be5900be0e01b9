// R05: what another thread writes into a poll's entries and a message's header while the call
// waits is kept where the kernel doesn't write: it fills in revents only, and a header's lengths
// and flags.
//! link: threads
#include <poll.h>
#include <sys/socket.h>

#include "thread_guest.h"

int main() {
  int ends[2];
  CHECK(pipe(ends) == 0);
  pollfd fds[2] = {{ends[0], POLLIN, 0}, {-1, 0, 0}};
  Blocked(
      "poll", {{}, {}}, [&] { return poll(fds, 2, -1); },
      [&] {
        fds[0].events = POLLPRI;
        fds[1].fd = 12345;
        fds[1].events = 77;
        CHECK(write(ends[1], "x", 1) == 1);
      });
  Say("fd %d events %x revents %x; fd %d events %d revents %x", fds[0].fd == ends[0], fds[0].events,
      fds[0].revents, fds[1].fd, fds[1].events, fds[1].revents);

  int pair[2];
  CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
  char buffer[8] = {};
  iovec piece = {buffer, 8};
  msghdr header = {};
  header.msg_iov = &piece;
  header.msg_iovlen = 1;
  Blocked(
      "recvmsg", {{}, {}}, [&] { return recvmsg(pair[0], &header, 0); },
      [&] {
        piece.iov_base = nullptr;
        piece.iov_len = 4711;
        header.msg_iovlen = 99;
        CHECK(send(pair[1], "text", 4, 0) == 4);
      });
  Say("base %d, length %zu, pieces %zu, [%s], flags %d", piece.iov_base == nullptr, piece.iov_len,
      header.msg_iovlen, buffer, header.msg_flags);
}
