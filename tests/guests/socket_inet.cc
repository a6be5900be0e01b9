// R04: TCP and UDP over the loopback between two processes.
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "guest.h"

int main() {
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  CHECK(bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0);
  CHECK(listen(listener, 5) == 0);
  socklen_t size = sizeof(address);
  CHECK(getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size) == 0);
  Vary("port %d", ntohs(address.sin_port));
  std::string data = Pattern(500'000);
  pid_t pid = Child([&] {
    int client = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(connect(client, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0);
    int on = 1;
    CHECK(setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) == 0);
    for (size_t done = 0; done < data.size();) {
      ssize_t sent = write(client, data.data() + done, data.size() - done);
      CHECK(sent > 0);
      done += sent;
    }
    CHECK(shutdown(client, SHUT_WR) == 0);
    Say("answer [%s]", ReadAll(client).c_str());
  });
  sockaddr_in peer = {};
  size = sizeof(peer);
  int server = accept(listener, reinterpret_cast<sockaddr*>(&peer), &size);
  CHECK(server >= 0 && size == sizeof(peer));
  Vary("peer port %d", ntohs(peer.sin_port));
  std::string got = ReadAll(server);
  Say("got %zu, same %d", got.size(), got == data);
  tcp_info info;
  size = sizeof(info);
  CHECK(getsockopt(server, IPPROTO_TCP, TCP_INFO, &info, &size) == 0);
  Vary("rtt %u", info.tcpi_rtt);
  CHECK(write(server, "all of it", 9) == 9);
  close(server);
  CHECK(WaitFor(pid) == 0);
  int a = socket(AF_INET, SOCK_DGRAM, 0), b = socket(AF_INET, SOCK_DGRAM, 0);
  address.sin_port = 0;
  CHECK(bind(a, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0);
  size = sizeof(address);
  CHECK(getsockname(a, reinterpret_cast<sockaddr*>(&address), &size) == 0);
  CHECK(sendto(b, "datagram", 8, 0, reinterpret_cast<sockaddr*>(&address), size) == 8);
  char buffer[100] = {};
  size = sizeof(peer);
  int waiting = 0;
  CHECK(recvfrom(a, buffer, sizeof(buffer), 0, reinterpret_cast<sockaddr*>(&peer), &size) == 8);
  CHECK(ioctl(a, FIONREAD, &waiting) == 0);
  Say("[%s] waiting %d", buffer, waiting);
  address.sin_port = htons(1);
  int refused = socket(AF_INET, SOCK_STREAM, 0);
  CHECK(connect(refused, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == -1);
  Say("refused: errno %d", errno);
}
