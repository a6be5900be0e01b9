#include "snapshot/internet_address.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>

#include <algorithm>
#include <cstring>

namespace retake {
namespace {

// The bytes before an IPv4 address in one of IPv6, RFC 4291 2.5.5.2.
constexpr std::array<uint8_t, 12> kMapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

sockaddr_storage AddressOf(const SocketName& name) {
  sockaddr_storage address{};
  memcpy(&address, name.data(), std::min(name.size(), sizeof address));
  return address;
}

}  // namespace

bool Endpoint::is_v4() const { return std::equal(kMapped.begin(), kMapped.end(), address.begin()); }

bool Endpoint::is_any() const {
  size_t from = is_v4() ? kMapped.size() : 0;
  return std::all_of(address.begin() + static_cast<ptrdiff_t>(from), address.end(),
                     [](uint8_t byte) { return byte == 0; });
}

bool Endpoint::is_loopback() const {
  constexpr uint8_t kLoopback = 127;
  if (is_v4()) return address[kMapped.size()] == kLoopback;
  return memcmp(address.data(), &in6addr_loopback, address.size()) == 0;
}

int Endpoint::family() const { return is_v4() ? AF_INET : AF_INET6; }

Endpoint EndpointOf(const SocketName& name) {
  sockaddr_storage address = AddressOf(name);
  Endpoint end;
  if (address.ss_family == AF_INET6) {
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(address);
    memcpy(end.address.data(), &v6.sin6_addr, end.address.size());
    end.port = ntohs(v6.sin6_port);
  } else if (address.ss_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(address);
    std::ranges::copy(kMapped, end.address.begin());
    memcpy(end.address.data() + kMapped.size(), &v4.sin_addr, sizeof v4.sin_addr);
    end.port = ntohs(v4.sin_port);
  }
  return end;
}

Endpoint Loopback(bool v4, uint16_t port) {
  Endpoint end{.port = port};
  if (v4) {
    std::ranges::copy(kMapped, end.address.begin());
    uint32_t loopback = htonl(INADDR_LOOPBACK);
    memcpy(end.address.data() + kMapped.size(), &loopback, sizeof loopback);
  } else {
    memcpy(end.address.data(), &in6addr_loopback, end.address.size());
  }
  return end;
}

uint32_t IPv4Of(const Endpoint& end) {
  uint32_t address;
  memcpy(&address, end.address.data() + kMapped.size(), sizeof address);
  return address;
}

SocketName SocketNameOf(const Endpoint& end, int family) {
  auto bytes_of = [](const auto& address) {
    const auto* bytes = reinterpret_cast<const uint8_t*>(&address);
    return SocketName(bytes, bytes + sizeof address);
  };
  if (family == AF_INET) {
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    v4.sin_port = htons(end.port);
    v4.sin_addr.s_addr = IPv4Of(end);
    return bytes_of(v4);
  }
  sockaddr_in6 v6{};
  v6.sin6_family = AF_INET6;
  v6.sin6_port = htons(end.port);
  memcpy(&v6.sin6_addr, end.address.data(), end.address.size());
  return bytes_of(v6);
}

std::string DescribeHost(const Endpoint& end) {
  char text[INET6_ADDRSTRLEN] = "?";
  const uint8_t* bytes = end.address.data();
  if (end.is_v4()) {
    inet_ntop(AF_INET, bytes + kMapped.size(), text, sizeof text);
  } else {
    inet_ntop(AF_INET6, bytes, text, sizeof text);
  }
  return text;
}

std::string DescribeAddress(const SocketName& name) {
  char text[INET6_ADDRSTRLEN] = "?";
  sockaddr_storage address = AddressOf(name);
  if (address.ss_family == AF_INET6) {
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(address);
    inet_ntop(AF_INET6, &v6.sin6_addr, text, sizeof text);
    return fmt::format("[{}]:{}", text, ntohs(v6.sin6_port));
  }
  const auto& v4 = reinterpret_cast<const sockaddr_in&>(address);
  inet_ntop(AF_INET, &v4.sin_addr, text, sizeof text);
  return fmt::format("{}:{}", text, ntohs(v4.sin_port));
}

std::string DescribeEndpoint(const Endpoint& end) {
  return DescribeAddress(SocketNameOf(end, end.family()));
}

bool HasPort(const SocketName& name) { return EndpointOf(name).port != 0; }

}  // namespace retake
