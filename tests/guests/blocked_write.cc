// R05: writes that block for room while another thread changes what they write: write, writev and
// vmsplice to a full pipe, send and sendmsg to a full socket. What arrives is one of two versions,
// the same in every replay.
//! link: threads
#include <sys/socket.h>
#include <sys/uio.h>

#include "thread_guest.h"

static size_t Fill(int fd) {
  CHECK(fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
  std::string bytes(1024, 'f');
  size_t all = 0;
  for (ssize_t put; (put = write(fd, bytes.data(), bytes.size())) > 0;) all += put;
  CHECK(errno == EAGAIN);
  CHECK(fcntl(fd, F_SETFL, 0) == 0);
  return all;
}

// What comes after what filled it.
static std::string Drain(int fd, size_t filled, size_t wanted) {
  std::string all(filled + wanted, '\0');
  size_t got = 0;
  while (got < all.size()) {
    ssize_t some = read(fd, &all[got], all.size() - got);
    CHECK(some > 0);
    got += some;
  }
  return all.substr(filled);
}

int main() {
  Room data(3000), head(10), tail(2990);
  auto reset = [&] {
    for (Room* room : {&data, &head, &tail}) {
      room->Reset();
      memset(room->at(), 'o', room->size());
    }
  };
  std::string arrived;
  auto run = [&](const char* name, int fds[2], const std::function<long()>& call) {
    reset();
    size_t filled = Fill(fds[1]);
    Blocked(name, {{}, {}}, call, [&] {
      for (Room* room : {&data, &head, &tail}) memset(room->at(), 'n', room->size());
      arrived = Drain(fds[0], filled, 3000);
    });
    size_t old_bytes = 0, new_bytes = 0;
    for (char c : arrived) (c == 'o' ? old_bytes : new_bytes) += c == 'o' || c == 'n';
    Say("%s: %zu bytes arrived", name, old_bytes + new_bytes);
    Vary("%s: %zu old, %zu new", name, old_bytes, new_bytes);
  };
  int ends[2];
  CHECK(pipe(ends) == 0);
  iovec pieces[2] = {{head.at(), 10}, {tail.at(), 2990}};
  run("write", ends, [&] { return write(ends[1], data.at(), 3000); });
  run("writev", ends, [&] { return writev(ends[1], pieces, 2); });
  int pair[2];
  CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
  int backward[2] = {pair[1], pair[0]};
  run("send", backward, [&] { return send(pair[0], data.at(), 3000, 0); });
  msghdr message = {};
  message.msg_iov = pieces;
  message.msg_iovlen = 2;
  run("sendmsg", backward, [&] { return sendmsg(pair[0], &message, 0); });
  mmsghdr many[1] = {};
  many[0].msg_hdr = message;
  run("sendmmsg", backward, [&] { return sendmmsg(pair[0], many, 1, 0); });
  Say("sent %u", many[0].msg_len);
}
