#include "snapshot/udp_queue.h"

#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "base/clock.h"
#include "snapshot/internet_address.h"
#include "snapshot/socket_state.h"

namespace retake {
namespace {

constexpr int64_t kArrivalBound = 5'000;  // ms
constexpr uint8_t kHops = 64;

const sockaddr* Address(const SocketName& name) {
  return reinterpret_cast<const sockaddr*>(name.data());
}

socklen_t Size(const SocketName& name) { return static_cast<socklen_t>(name.size()); }

// Of IPv6, and valid on one network only: which one, the packet doesn't say.
bool IsLinkLocal(const Endpoint& end) {
  return !end.is_v4() && end.address[0] == 0xfe && (end.address[1] & 0xc0) == 0x80;
}

Fd RawSocket(int family) { return Fd(socket(family, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW)); }

Fd SocketAt(const Endpoint& end) {
  Fd fd(socket(end.family(), SOCK_DGRAM | SOCK_CLOEXEC, 0));
  SocketName name = SocketNameOf(end, end.family());
  if (fd && !BindSocket(fd.get(), name)) fd.Reset();
  return fd;
}

bool IsOfThisMachine(Endpoint end) {
  end.port = 0;
  return static_cast<bool>(SocketAt(end));
}

// What is sent there reaches one socket: neither a group nor all of a network.
bool IsOneSocket(const Endpoint& end) {
  Fd fd(socket(end.family(), SOCK_DGRAM | SOCK_CLOEXEC, 0));
  SocketName name = SocketNameOf(end, end.family());
  bool is_group = end.is_v4() ? IN_MULTICAST(ntohl(IPv4Of(end))) : end.address[0] == 0xff;
  return !is_group && fd && ConnectSocket(fd.get(), name);
}

// By which something comes along with each datagram.
bool HasAncillaryData(int fd) {
  alignas(cmsghdr) char control[512];
  msghdr message{};
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  return recvmsg(fd, &message, MSG_PEEK | MSG_DONTWAIT) >= 0 && message.msg_controllen > 0;
}

bool IsBoundToDevice(int fd) {
  char name[64];
  socklen_t size = sizeof name;
  return getsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name, &size) == 0 && size > 0;
}

// Where to send to a socket that is bound to that.
Endpoint Destination(const SocketState& state, const Endpoint& from) {
  Endpoint to = EndpointOf(state.name);
  return to.is_any() ? Loopback(from.is_v4(), to.port) : to;
}

// RFC 768 and RFC 8200 8.1: of addresses, length, protocol, and the datagram with its header.
uint16_t UdpChecksum(const Endpoint& from, const Endpoint& to, ByteSpan datagram) {
  uint64_t sum = datagram.size() + IPPROTO_UDP;
  auto add = [&](ByteSpan bytes) {
    for (size_t i = 0; i < bytes.size(); ++i)
      sum += i % 2 == 0 ? uint64_t{bytes[i]} << 8 : uint64_t{bytes[i]};
  };
  // Where it is one of IPv4, the rest of it would count as well.
  size_t skipped = from.is_v4() ? from.address.size() - sizeof(in_addr) : 0;
  add(ByteSpan(from.address).subspan(skipped));
  add(ByteSpan(to.address).subspan(skipped));
  add(datagram);
  while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
  auto checksum = static_cast<uint16_t>(~sum);
  return checksum == 0 ? 0xffff : checksum;
}

// <netinet/ip6.h> names its fields by macros of short names.
struct Ip6Header {
  uint32_t version_and_flow;
  uint16_t payload_size;
  uint8_t next_header, hops;
  std::array<uint8_t, 16> from, to;
};
static_assert(sizeof(Ip6Header) == 40);

std::vector<uint8_t> IpHeader(const Endpoint& from, const Endpoint& to, size_t size) {
  std::vector<uint8_t> header;
  auto set = [&](const auto& fields) {
    header.resize(sizeof fields);
    memcpy(header.data(), &fields, sizeof fields);
  };
  if (from.is_v4()) {
    iphdr v4{};
    v4.version = IPVERSION;
    v4.ihl = sizeof v4 / 4;
    v4.ttl = kHops;
    v4.protocol = IPPROTO_UDP;
    v4.saddr = IPv4Of(from);
    v4.daddr = IPv4Of(to);
    set(v4);  // the kernel fills in the rest
  } else {
    Ip6Header v6{.version_and_flow = htonl(6U << 28),
                 .payload_size = htons(static_cast<uint16_t>(size)),
                 .next_header = IPPROTO_UDP,
                 .hops = kHops,
                 .from = from.address,
                 .to = to.address};
    set(v6);
  }
  return header;
}

Status SendRaw(const Fd& raw, const Endpoint& from, const Endpoint& to, ByteSpan bytes) {
  udphdr udp{};
  udp.source = htons(from.port);
  udp.dest = htons(to.port);
  size_t size = sizeof udp + bytes.size();
  udp.len = htons(static_cast<uint16_t>(size));
  std::vector<uint8_t> datagram(size);
  memcpy(datagram.data(), &udp, sizeof udp);
  std::ranges::copy(bytes, datagram.begin() + sizeof udp);
  udp.check = htons(UdpChecksum(from, to, datagram));
  memcpy(datagram.data(), &udp, sizeof udp);
  std::vector<uint8_t> packet = IpHeader(from, to, size);
  packet.insert(packet.end(), datagram.begin(), datagram.end());
  // A raw socket's name has no port.
  SocketName name = SocketNameOf({to.address, 0}, to.family());
  ssize_t sent = sendto(raw.get(), packet.data(), packet.size(), 0, Address(name), Size(name));
  if (sent != static_cast<ssize_t>(packet.size()))
    return ErrnoError("can't send a datagram from {} again", DescribeEndpoint(from));
  return {};
}

// As one that is bound to any address sends from that one.
void SetSource(msghdr& message, std::span<char> control, const Endpoint& from) {
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  auto set = [&](int level, int type, const auto& info) {
    header->cmsg_level = level;
    header->cmsg_type = type;
    header->cmsg_len = CMSG_LEN(sizeof info);
    memcpy(CMSG_DATA(header), &info, sizeof info);
    message.msg_controllen = CMSG_SPACE(sizeof info);
  };
  if (message.msg_namelen == sizeof(sockaddr_in)) {
    in_pktinfo info{};
    info.ipi_spec_dst.s_addr = IPv4Of(from);
    set(IPPROTO_IP, IP_PKTINFO, info);
  } else {
    in6_pktinfo info{};
    memcpy(&info.ipi6_addr, from.address.data(), from.address.size());
    set(IPPROTO_IPV6, IPV6_PKTINFO, info);
  }
}

Status SendFromSocket(int fd, int family, const Endpoint& from, const Endpoint& to,
                      ByteSpan bytes) {
  SocketName name = SocketNameOf(to, family);
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(in6_pktinfo))] = {};
  iovec piece{const_cast<uint8_t*>(bytes.data()), bytes.size()};
  msghdr message{};
  message.msg_name = name.data();
  message.msg_namelen = Size(name);
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  SetSource(message, control, from);
  if (sendmsg(fd, &message, MSG_DONTWAIT) != static_cast<ssize_t>(bytes.size()))
    return ErrnoError("can't send a datagram from {} again", DescribeEndpoint(from));
  return {};
}

// A socket of the tree, restored already, that has that address.
std::optional<size_t> SenderOf(const Endpoint& from, const FdRestore& restore) {
  for (size_t i = 0; i < restore.files.size(); ++i) {
    const OpenFile& file = restore.files[i];
    if (file.kind != FileKind::kInternetSocket || !restore.opened[i]) continue;
    if (file.socket->type != SOCK_DGRAM) continue;
    Endpoint name = EndpointOf(file.socket->name);
    bool has_address = name.address == from.address ||
                       (name.is_any() && (file.socket->domain == AF_INET6 || from.is_v4()));
    if (name.port == from.port && has_address) return i;
  }
  return std::nullopt;
}

Status SendUnprivileged(int fd, const SocketState& state, const Endpoint& from, ByteSpan bytes,
                        const FdRestore& restore) {
  Endpoint to = Destination(state, from);
  // To itself.
  if (EndpointOf(state.name) == from) return SendFromSocket(fd, state.domain, from, to, bytes);
  if (auto sender = SenderOf(from, restore))
    return SendFromSocket(restore.opened[*sender].get(), restore.files[*sender].socket->domain,
                          from, to, bytes);
  Fd made = SocketAt(from);
  if (!made) {
    return ErrnoError("a datagram from {} can't be sent again without CAP_NET_RAW",
                      DescribeEndpoint(from));
  }
  return SendFromSocket(made.get(), from.family(), from, to, bytes);
}

bool IsSame(const QueuedBytes& one, const QueuedBytes& other) {
  return one.bytes == other.bytes && one.from == other.from;
}

// They come over the loopback device: as a rule they are there when they have been sent.
Status AwaitArrival(int fd, const SocketState& state) {
  int64_t end = MonotonicMilliseconds() + kArrivalBound;
  for (;;) {
    bool rights = false;
    std::vector<QueuedBytes> there = TRY(PeekSocket(fd, false, &rights));
    if (std::ranges::equal(there, state.queued, IsSame)) return {};
    if (there.size() >= state.queued.size() || MonotonicMilliseconds() > end) break;
    usleep(1'000);
  }
  return MakeError(
      "the {} datagrams that waited in a socket at {} didn't all come when they were sent again (a "
      "firewall may hold them back)",
      state.queued.size(), DescribeAddress(state.name));
}

}  // namespace

std::string WhyNotResent(int fd, const SocketState& state) {
  if (state.protocol != 0 && state.protocol != IPPROTO_UDP) return "they aren't of UDP";
  if (HasAncillaryData(fd)) return "more is asked of each than what it says and who sent it";
  if (ReadNumber(fd, SOL_SOCKET, SO_REUSEPORT) != 0 ||
      ReadNumber(fd, SOL_SOCKET, SO_REUSEADDR) != 0)
    return "others may have its address as well";
  if (IsBoundToDevice(fd)) return "it is bound to a device";
  for (const QueuedBytes& datagram : state.queued) {
    Endpoint from = EndpointOf(datagram.from);
    Endpoint to = Destination(state, from);
    if (to.port == 0 || from.port == 0) return "one has no address to be sent from or to";
    if (IsLinkLocal(from) || IsLinkLocal(to)) return "one came over a link of its own";
    if (!IsOneSocket(to)) return "it is bound to an address of many";
    if (!RawSocket(from.family()) && !IsOfThisMachine(from)) {
      return fmt::format("to send one from {} again takes CAP_NET_RAW", DescribeEndpoint(from));
    }
  }
  return {};
}

Status ResendDatagrams(int fd, const SocketState& state, const FdRestore& restore) {
  if (state.queued.empty()) return {};
  for (const QueuedBytes& datagram : state.queued) {
    Endpoint from = EndpointOf(datagram.from);
    if (Fd raw = RawSocket(from.family())) {
      TRY(SendRaw(raw, from, Destination(state, from), datagram.bytes));
    } else {
      TRY(SendUnprivileged(fd, state, from, datagram.bytes, restore));
    }
  }
  return AwaitArrival(fd, state);
}

}  // namespace retake
