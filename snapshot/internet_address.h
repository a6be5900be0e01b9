// Addresses of sockets of the internet families, as the kernel gives them: struct sockaddr_in or
// sockaddr_in6.
#ifndef RETAKE_SNAPSHOT_INTERNET_ADDRESS_H_
#define RETAKE_SNAPSHOT_INTERNET_ADDRESS_H_

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace retake {

using SocketName = std::vector<uint8_t>;

// Where a connection ends: the same for a socket of IPv4 and for one of IPv6 that is used for it.
struct Endpoint {
  std::array<uint8_t, 16> address{};  // of IPv4: as ::ffff:a.b.c.d
  uint16_t port = 0;

  // All zero: any address of this machine.
  bool is_any() const;
  bool is_v4() const;
  bool is_loopback() const;
  int family() const;  // AF_*
  bool operator==(const Endpoint&) const = default;
};

// Of something else than an internet address: all zero.
Endpoint EndpointOf(const SocketName& name);

Endpoint Loopback(bool v4, uint16_t port);
// Of one of IPv4, in network byte order.
uint32_t IPv4Of(const Endpoint& end);
// As a socket of that family is given it.
SocketName SocketNameOf(const Endpoint& end, int family);

// "127.0.0.1", "::1".
std::string DescribeHost(const Endpoint& end);
// "127.0.0.1:80", "[::1]:80".
std::string DescribeAddress(const SocketName& name);
std::string DescribeEndpoint(const Endpoint& end);

bool HasPort(const SocketName& name);

}  // namespace retake

#endif  // RETAKE_SNAPSHOT_INTERNET_ADDRESS_H_
