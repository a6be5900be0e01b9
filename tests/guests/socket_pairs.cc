// R04: socketpairs: streams, datagrams, packets, out of order shutdown, peeking, scattered
// messages.
#include <sys/socket.h>
#include <sys/uio.h>

#include "guest.h"

int main() {
  int pair[2];
  CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
  pid_t pid = Child([&] {
    close(pair[0]);
    std::string all = ReadAll(pair[1]);
    CHECK(write(pair[1], all.data(), all.size()) == static_cast<ssize_t>(all.size()));
  });
  close(pair[1]);
  std::string data = Pattern(100'000);
  for (size_t done = 0; done < data.size();) {
    ssize_t sent = send(pair[0], data.data() + done, data.size() - done, MSG_NOSIGNAL);
    CHECK(sent > 0);
    done += sent;
  }
  CHECK(shutdown(pair[0], SHUT_WR) == 0);
  std::string back = ReadAll(pair[0]);
  Say("echoed %d", back == data);
  CHECK(WaitFor(pid) == 0);
  CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) == 0);
  CHECK(send(pair[0], "first", 5, 0) == 5 && send(pair[0], "second packet", 13, 0) == 13);
  char buffer[6] = {};
  CHECK(recv(pair[1], buffer, 5, MSG_PEEK) == 5);
  Say("peeked [%s]", buffer);
  char a[3] = {}, b[10] = {};
  iovec pieces[] = {{a, 2}, {b, 9}};
  msghdr message = {};
  message.msg_iov = pieces;
  message.msg_iovlen = 2;
  CHECK(recvmsg(pair[1], &message, 0) == 5);
  Say("[%s] [%s] flags %d", a, b, message.msg_flags & MSG_TRUNC);
  ssize_t got = recvmsg(pair[1], &message, 0);
  Say("%zd [%s] [%s] truncated %d", got, a, b, (message.msg_flags & MSG_TRUNC) != 0);
  CHECK(recv(pair[1], buffer, 5, MSG_DONTWAIT) == -1);
  Say("empty: errno %d", errno);
  int type = 0;
  socklen_t size = sizeof(type);
  CHECK(getsockopt(pair[0], SOL_SOCKET, SO_TYPE, &type, &size) == 0);
  Say("type %d size %u", type, size);
  ucred peer = {};
  size = sizeof(peer);
  CHECK(getsockopt(pair[0], SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0);
  Say("peer is self %d", peer.pid == getpid());
  mmsghdr many[3] = {};
  char text[3][8] = {"m0", "m1", "m2"};
  iovec each[3];
  for (int i = 0; i < 3; ++i) {
    each[i] = {text[i], 3};
    many[i].msg_hdr.msg_iov = &each[i];
    many[i].msg_hdr.msg_iovlen = 1;
  }
  CHECK(sendmmsg(pair[0], many, 3, 0) == 3);
  memset(text, 0, sizeof(text));
  CHECK(recvmmsg(pair[1], many, 3, MSG_DONTWAIT, nullptr) == 3);
  Say("[%s] [%s] [%s] lengths %u %u %u", text[0], text[1], text[2], many[0].msg_len,
      many[1].msg_len, many[2].msg_len);
}
