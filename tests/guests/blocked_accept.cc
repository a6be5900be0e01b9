// R05: accept and connect that block while another thread looks at the address's buffers.
//! link: threads
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "thread_guest.h"

int main() {
  int listener = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  CHECK(bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0);
  CHECK(listen(listener, 5) == 0);
  socklen_t size = sizeof(address);
  CHECK(getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size) == 0);

  Room name(64), length(sizeof(socklen_t));
  *length.as<socklen_t>() = 64;
  // Two threads open descriptors: which gets which number isn't said.
  int client = -1, accepted = -1;
  Blocked(
      "accept4", {{&name}, {&length}, true},
      [&] {
        accepted = accept4(listener, name.as<sockaddr>(), length.as<socklen_t>(), SOCK_CLOEXEC);
        return accepted < 0 ? -1 : 0;
      },
      [&] {
        client = socket(AF_INET, SOCK_STREAM, 0);
        CHECK(connect(client, reinterpret_cast<sockaddr*>(&address), size) == 0);
      });
  Say("length %u, family %d, from loopback %d", *length.as<socklen_t>(),
      name.as<sockaddr_in>()->sin_family,
      name.as<sockaddr_in>()->sin_addr.s_addr == htonl(INADDR_LOOPBACK));
  Vary("from port %d", ntohs(name.as<sockaddr_in>()->sin_port));
  close(accepted);
  close(client);
  Blocked(
      "accept without address", {{}, {}},
      [&] { return accept(listener, nullptr, nullptr) < 0 ? -1 : 0; },
      [&] {
        client = socket(AF_INET, SOCK_STREAM, 0);
        CHECK(connect(client, reinterpret_cast<sockaddr*>(&address), size) == 0);
      });

  // A unix listener whose backlog is full: connect waits.
  int full = socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un path = {};
  path.sun_family = AF_UNIX;
  strcpy(path.sun_path, "full");
  auto* unix_address = reinterpret_cast<sockaddr*>(&path);
  CHECK(bind(full, unix_address, sizeof(path)) == 0);
  CHECK(listen(full, 0) == 0);
  int one = socket(AF_UNIX, SOCK_STREAM, 0), two = socket(AF_UNIX, SOCK_STREAM, 0);
  CHECK(connect(one, unix_address, sizeof(path)) == 0);
  Room target(sizeof(path));
  memcpy(target.at(), &path, sizeof(path));
  Blocked(
      "connect", {{}, {&target}}, [&] { return connect(two, target.as<sockaddr>(), sizeof(path)); },
      [&] { CHECK(accept(full, nullptr, nullptr) >= 0); });
}
