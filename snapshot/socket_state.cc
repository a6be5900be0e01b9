#include "snapshot/socket_state.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "base/features.h"

namespace retake {
namespace {

struct OptionName {
  int domain;  // AF_UNSPEC: of all
  int type;    // 0: of all
  int level, name;
  enum Nature : uint8_t {
    kPlain,
    kDoubled,  // the kernel gives twice what it was set to, socket(7)
    kEarly,    // not once there is a connection
    kMoving,   // of a connection the kernel changes it by itself
  } nature = kPlain;
};

// <asm-generic/socket.h>, <linux/in.h>, <linux/tcp.h> and <linux/udp.h>; headers of Debian 12 lack
// those of later kernels.
constexpr int kSoPreferBusyPoll = 69, kSoBusyPollBudget = 70, kSoTxRehash = 74, kSoRcvMark = 75;
constexpr int kSoPassPidfd = 76, kSoRcvPriority = 82, kSoPassRights = 83;
constexpr int kUdpNoCheck6Tx = 101, kUdpNoCheck6Rx = 102, kUdpSegment = 103, kUdpGro = 104;

// In the order in which they are set. Some take a capability, such as SO_MARK.
constexpr OptionName kOptions[] = {
    {AF_UNSPEC, 0, SOL_SOCKET, SO_REUSEADDR},
    {AF_UNSPEC, 0, SOL_SOCKET, SO_REUSEPORT},
    {AF_UNSPEC, 0, SOL_SOCKET, SO_KEEPALIVE},
    {AF_UNSPEC, 0, SOL_SOCKET, SO_BROADCAST},
    {AF_UNSPEC, 0, SOL_SOCKET, SO_DONTROUTE},
    {AF_UNSPEC, 0, SOL_SOCKET, SO_OOBINLINE},
    {AF_UNSPEC, 0, SOL_SOCKET, SO_NO_CHECK},
    {AF_UNSPEC, 0, SOL_SOCKET, SO_LINGER},
    {AF_UNSPEC, 0, SOL_SOCKET, SO_PASSCRED},
    {AF_UNSPEC, 0, SOL_SOCKET, SO_PASSSEC},
    {AF_UNSPEC, 0, SOL_SOCKET, SO_PRIORITY},
    {AF_UNSPEC, 0, SOL_SOCKET, SO_MARK},
    {AF_UNSPEC, 0, SOL_SOCKET, SO_BINDTODEVICE},
    {AF_UNSPEC, 0, SOL_SOCKET, SO_SNDTIMEO},
    {AF_UNSPEC, 0, SOL_SOCKET, SO_RCVTIMEO},
    {AF_UNSPEC, 0, SOL_SOCKET, SO_RCVLOWAT},
    {AF_UNSPEC, 0, SOL_SOCKET, SO_TIMESTAMP},
    {AF_UNSPEC, 0, SOL_SOCKET, SO_TIMESTAMPNS},
    {AF_UNSPEC, 0, SOL_SOCKET, SO_TIMESTAMPING},
    {AF_UNSPEC, 0, SOL_SOCKET, SO_RXQ_OVFL},
    {AF_UNSPEC, 0, SOL_SOCKET, SO_PEEK_OFF},
    {AF_UNSPEC, 0, SOL_SOCKET, SO_NOFCS},
    {AF_UNSPEC, 0, SOL_SOCKET, SO_SELECT_ERR_QUEUE},
    {AF_UNSPEC, 0, SOL_SOCKET, SO_BUSY_POLL},
    {AF_UNSPEC, 0, SOL_SOCKET, kSoPreferBusyPoll},
    {AF_UNSPEC, 0, SOL_SOCKET, kSoBusyPollBudget},
    {AF_UNSPEC, 0, SOL_SOCKET, SO_MAX_PACING_RATE},
    {AF_UNSPEC, 0, SOL_SOCKET, SO_INCOMING_CPU, OptionName::kMoving},
    {AF_UNSPEC, 0, SOL_SOCKET, SO_ZEROCOPY},
    {AF_UNSPEC, 0, SOL_SOCKET, SO_TXTIME},
    {AF_UNSPEC, 0, SOL_SOCKET, kSoTxRehash},
    {AF_UNSPEC, 0, SOL_SOCKET, kSoRcvMark},
    {AF_UNSPEC, 0, SOL_SOCKET, kSoPassPidfd},
    {AF_UNSPEC, 0, SOL_SOCKET, kSoRcvPriority},
    {AF_UNSPEC, 0, SOL_SOCKET, kSoPassRights},
    {AF_UNSPEC, 0, SOL_SOCKET, SO_SNDBUF, OptionName::kDoubled},
    {AF_UNSPEC, 0, SOL_SOCKET, SO_RCVBUF, OptionName::kDoubled},
    {AF_UNSPEC, 0, SOL_SOCKET, kSoBufLock},
    {AF_INET, 0, IPPROTO_IP, IP_TOS},
    {AF_INET, 0, IPPROTO_IP, IP_TTL},
    {AF_INET, 0, IPPROTO_IP, IP_OPTIONS},
    {AF_INET, 0, IPPROTO_IP, IP_MINTTL},
    {AF_INET, 0, IPPROTO_IP, IP_MTU_DISCOVER},
    {AF_INET, 0, IPPROTO_IP, IP_RECVERR},
    {AF_INET, 0, IPPROTO_IP, IP_RECVTTL},
    {AF_INET, 0, IPPROTO_IP, IP_RECVTOS},
    {AF_INET, 0, IPPROTO_IP, IP_RECVOPTS},
    {AF_INET, 0, IPPROTO_IP, IP_RETOPTS},
    {AF_INET, 0, IPPROTO_IP, IP_RECVORIGDSTADDR},
    {AF_INET, 0, IPPROTO_IP, IP_RECVFRAGSIZE},
    {AF_INET, 0, IPPROTO_IP, IP_PKTINFO},
    {AF_INET, 0, IPPROTO_IP, IP_PASSSEC},
    {AF_INET, 0, IPPROTO_IP, IP_CHECKSUM},
    {AF_INET, 0, IPPROTO_IP, IP_FREEBIND},
    {AF_INET, 0, IPPROTO_IP, IP_TRANSPARENT},
    {AF_INET, 0, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT},
    {AF_INET, 0, IPPROTO_IP, kIpLocalPortRange},
    {AF_INET, 0, IPPROTO_IP, IP_UNICAST_IF},
    {AF_INET, SOCK_DGRAM, IPPROTO_IP, IP_MULTICAST_IF},
    {AF_INET, SOCK_DGRAM, IPPROTO_IP, IP_MULTICAST_TTL},
    {AF_INET, 0, IPPROTO_IP, IP_MULTICAST_LOOP},
    {AF_INET, 0, IPPROTO_IP, IP_MULTICAST_ALL},
    {AF_INET6, 0, IPPROTO_IP, IP_TOS},
    {AF_INET6, 0, IPPROTO_IP, IP_TTL},
    {AF_INET6, 0, IPPROTO_IPV6, IPV6_V6ONLY, OptionName::kEarly},
    {AF_INET6, 0, IPPROTO_IPV6, IPV6_TCLASS},
    {AF_INET6, 0, IPPROTO_IPV6, IPV6_UNICAST_HOPS},
    {AF_INET6, 0, IPPROTO_IPV6, IPV6_MINHOPCOUNT},
    {AF_INET6, 0, IPPROTO_IPV6, IPV6_MTU_DISCOVER},
    {AF_INET6, 0, IPPROTO_IPV6, IPV6_DONTFRAG},
    {AF_INET6, 0, IPPROTO_IPV6, IPV6_AUTOFLOWLABEL},
    {AF_INET6, 0, IPPROTO_IPV6, IPV6_RECVERR},
    {AF_INET6, 0, IPPROTO_IPV6, IPV6_RECVPKTINFO},
    {AF_INET6, 0, IPPROTO_IPV6, IPV6_RECVHOPLIMIT},
    {AF_INET6, 0, IPPROTO_IPV6, IPV6_RECVTCLASS},
    {AF_INET6, 0, IPPROTO_IPV6, IPV6_RECVORIGDSTADDR},
    {AF_INET6, 0, IPPROTO_IPV6, IPV6_RECVFRAGSIZE},
    {AF_INET6, 0, IPPROTO_IPV6, IPV6_FREEBIND},
    {AF_INET6, 0, IPPROTO_IPV6, IPV6_TRANSPARENT},
    {AF_INET6, 0, IPPROTO_IPV6, IPV6_UNICAST_IF},
    {AF_INET6, SOCK_DGRAM, IPPROTO_IPV6, IPV6_MULTICAST_IF},
    {AF_INET6, SOCK_DGRAM, IPPROTO_IPV6, IPV6_MULTICAST_HOPS},
    {AF_INET6, 0, IPPROTO_IPV6, IPV6_MULTICAST_LOOP},
    {AF_INET6, 0, IPPROTO_IPV6, IPV6_MULTICAST_ALL},
    {AF_INET, SOCK_STREAM, IPPROTO_TCP, TCP_NODELAY},
    {AF_INET, SOCK_STREAM, IPPROTO_TCP, TCP_CORK},
    {AF_INET, SOCK_STREAM, IPPROTO_TCP, TCP_MAXSEG, OptionName::kMoving},
    {AF_INET, SOCK_STREAM, IPPROTO_TCP, TCP_KEEPIDLE},
    {AF_INET, SOCK_STREAM, IPPROTO_TCP, TCP_KEEPINTVL},
    {AF_INET, SOCK_STREAM, IPPROTO_TCP, TCP_KEEPCNT},
    {AF_INET, SOCK_STREAM, IPPROTO_TCP, TCP_SYNCNT},
    {AF_INET, SOCK_STREAM, IPPROTO_TCP, TCP_LINGER2},
    {AF_INET, SOCK_STREAM, IPPROTO_TCP, TCP_WINDOW_CLAMP, OptionName::kMoving},
    {AF_INET, SOCK_STREAM, IPPROTO_TCP, TCP_QUICKACK, OptionName::kMoving},
    {AF_INET, SOCK_STREAM, IPPROTO_TCP, TCP_USER_TIMEOUT},
    {AF_INET, SOCK_STREAM, IPPROTO_TCP, TCP_DEFER_ACCEPT},
    {AF_INET, SOCK_STREAM, IPPROTO_TCP, TCP_CONGESTION},
    {AF_INET, SOCK_STREAM, IPPROTO_TCP, TCP_THIN_LINEAR_TIMEOUTS},
    {AF_INET, SOCK_STREAM, IPPROTO_TCP, TCP_FASTOPEN},
    {AF_INET, SOCK_STREAM, IPPROTO_TCP, TCP_FASTOPEN_CONNECT},
    {AF_INET, SOCK_STREAM, IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE},
    {AF_INET, SOCK_STREAM, IPPROTO_TCP, TCP_NOTSENT_LOWAT},
    {AF_INET, SOCK_STREAM, IPPROTO_TCP, TCP_SAVE_SYN},
    {AF_INET, SOCK_STREAM, IPPROTO_TCP, TCP_INQ},
    {AF_INET, SOCK_STREAM, IPPROTO_TCP, TCP_TX_DELAY},
    {AF_INET, SOCK_DGRAM, IPPROTO_UDP, UDP_CORK},
    {AF_INET, SOCK_DGRAM, IPPROTO_UDP, UDP_ENCAP},
    {AF_INET, SOCK_DGRAM, IPPROTO_UDP, kUdpNoCheck6Tx},
    {AF_INET, SOCK_DGRAM, IPPROTO_UDP, kUdpNoCheck6Rx},
    {AF_INET, SOCK_DGRAM, IPPROTO_UDP, kUdpSegment},
    {AF_INET, SOCK_DGRAM, IPPROTO_UDP, kUdpGro},
};

bool Applies(const OptionName& option, const SocketState& socket) {
  bool internet = socket.domain == AF_INET || socket.domain == AF_INET6;
  // TCP's and UDP's are the same over both.
  bool transport = option.level == IPPROTO_TCP || option.level == IPPROTO_UDP;
  bool domain =
      option.domain == AF_UNSPEC || option.domain == socket.domain || (transport && internet);
  return domain && (option.type == 0 || option.type == socket.type);
}

std::vector<uint8_t> ReadOption(int fd, int level, int name) {
  std::vector<uint8_t> value(64);
  socklen_t size = static_cast<socklen_t>(value.size());
  if (getsockopt(fd, level, name, value.data(), &size) != 0) size = 0;
  value.resize(size);
  return value;
}

template <typename Asked>
std::vector<uint8_t> ReadName(int fd, Asked ask) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (ask(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) return {};
  const auto* bytes = reinterpret_cast<const uint8_t*>(&address);
  return {bytes, bytes + std::min<size_t>(size, sizeof address)};
}

// While it lives, peeks read one message after the other, from the first on.
class PeekOffset {
 public:
  explicit PeekOffset(int fd) : fd_(fd), before_(ReadNumber(fd, SOL_SOCKET, SO_PEEK_OFF)) {
    bool tcp = ReadNumber(fd, SOL_SOCKET, SO_PROTOCOL) == IPPROTO_TCP;
    moves_ = (!tcp || MayUse(Feature::kTcpPeekOffset)) && Set(0);
  }
  PeekOffset(const PeekOffset&) = delete;
  PeekOffset& operator=(const PeekOffset&) = delete;
  ~PeekOffset() {
    if (moves_) Set(before_);
  }

  // Else each peek reads from the first byte on.
  bool moves() const { return moves_; }

 private:
  bool Set(int offset) {
    return setsockopt(fd_, SOL_SOCKET, SO_PEEK_OFF, &offset, sizeof offset) == 0;
  }
  int fd_;
  int before_;
  bool moves_;
};

// All that waits in a stream, in one piece.
Result<std::vector<QueuedBytes>> PeekWhole(int fd) {
  constexpr size_t kMost = 1 << 30;
  std::vector<uint8_t> buffer(1 << 20);
  for (;;) {
    ssize_t got = recv(fd, buffer.data(), buffer.size(), MSG_PEEK | MSG_DONTWAIT);
    if (got == 0 || (got < 0 && (errno == EAGAIN || errno == ENOTCONN)))
      return std::vector<QueuedBytes>();
    if (got < 0) return ErrnoError("can't look at what a socket holds");
    auto size = static_cast<size_t>(got);
    if (size < buffer.size())
      return std::vector{QueuedBytes{.bytes = {buffer.begin(), buffer.begin() + got}, .from = {}}};
    if (size >= kMost) return MakeError("a socket holds more than {} bytes", kMost);
    buffer.resize(2 * size);
  }
}

void CloseReceived(msghdr& message, bool* rights) {
  for (cmsghdr* part = CMSG_FIRSTHDR(&message); part != nullptr;
       part = CMSG_NXTHDR(&message, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    *rights = true;
    size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; ++i) {
      int received = -1;
      memcpy(&received, CMSG_DATA(part) + i * sizeof(int), sizeof received);
      close(received);
    }
  }
}

OptionName::Nature NatureOf(const SocketOption& option) {
  auto known = std::ranges::find_if(kOptions, [&](const OptionName& name) {
    return name.level == option.level && name.name == option.name;
  });
  return known == std::end(kOptions) ? OptionName::kPlain : known->nature;
}

Status SetOption(int fd, const SocketOption& option) {
  if (ReadOption(fd, option.level, option.name) == option.value) return {};
  std::vector<uint8_t> value = option.value;
  if (NatureOf(option) == OptionName::kDoubled) {
    int size = 0;
    if (value.size() != sizeof size) return MakeError("a socket's option is damaged");
    memcpy(&size, value.data(), sizeof size);
    size /= 2;
    memcpy(value.data(), &size, sizeof size);
  }
  if (setsockopt(fd, option.level, option.name, value.data(),
                 static_cast<socklen_t>(value.size())) != 0)
    return ErrnoError("can't set a socket's option {}/{}", option.level, option.name);
  return {};
}

}  // namespace

int ReadNumber(int fd, int level, int name) {
  int value = 0;
  socklen_t size = sizeof value;
  getsockopt(fd, level, name, &value, &size);
  return value;
}

bool BindSocket(int fd, const SocketName& name) {
  return bind(fd, reinterpret_cast<const sockaddr*>(name.data()),
              static_cast<socklen_t>(name.size())) == 0;
}

bool ConnectSocket(int fd, const SocketName& name) {
  return connect(fd, reinterpret_cast<const sockaddr*>(name.data()),
                 static_cast<socklen_t>(name.size())) == 0;
}

std::vector<uint8_t> NameOf(int fd) { return ReadName(fd, getsockname); }
std::vector<uint8_t> PeerNameOf(int fd) { return ReadName(fd, getpeername); }

int SocketDomain(const FdSubject& subject) {
  if (!S_ISSOCK(subject.status.st_mode) || subject.copy == nullptr) return AF_UNSPEC;
  return ReadNumber(subject.copy->get(), SOL_SOCKET, SO_DOMAIN);
}

Result<SocketState> ReadSocket(int fd, uint64_t inode) {
  SocketState state{.inode = inode};
  state.domain = ReadNumber(fd, SOL_SOCKET, SO_DOMAIN);
  state.type = ReadNumber(fd, SOL_SOCKET, SO_TYPE);
  state.protocol = ReadNumber(fd, SOL_SOCKET, SO_PROTOCOL);
  state.listening = ReadNumber(fd, SOL_SOCKET, SO_ACCEPTCONN) != 0;
  state.name = NameOf(fd);
  state.peer_name = PeerNameOf(fd);
  for (const OptionName& option : kOptions) {
    if (!Applies(option, state)) continue;
    std::vector<uint8_t> value = ReadOption(fd, option.level, option.name);
    if (!value.empty()) state.options.push_back({option.level, option.name, std::move(value)});
  }
  return state;
}

Status SetSocketOptions(int fd, const SocketState& state) {
  bool connected = state.other_end != OtherEnd::kNone;
  for (const SocketOption& option : state.options) {
    OptionName::Nature nature = NatureOf(option);
    bool settled = nature == OptionName::kMoving || nature == OptionName::kEarly;
    if (!connected || !settled) TRY(SetOption(fd, option));
  }
  return {};
}

Status SetEarlyOptions(int fd, const SocketState& state) {
  for (const SocketOption& option : state.options) {
    OptionName::Nature nature = NatureOf(option);
    if (nature == OptionName::kDoubled || nature == OptionName::kEarly) TRY(SetOption(fd, option));
  }
  return {};
}

Result<std::vector<QueuedBytes>> PeekSocket(int fd, bool stream, bool* rights) {
  std::vector<QueuedBytes> queued;
  PeekOffset from_the_start(fd);
  if (!from_the_start.moves()) {
    if (stream) return PeekWhole(fd);
    return MakeError("this kernel doesn't let messages be looked at one after the other");
  }
  constexpr size_t kLargest = 1 << 20;
  std::vector<uint8_t> buffer(kLargest);
  for (;;) {
    sockaddr_storage address{};
    alignas(cmsghdr) char control[4096];
    iovec piece{buffer.data(), buffer.size()};
    msghdr message{};
    message.msg_name = &address;
    message.msg_namelen = sizeof address;
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    ssize_t got = recvmsg(fd, &message, MSG_PEEK | MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (got < 0 && (errno == EAGAIN || errno == EINVAL || errno == ENOTCONN)) return queued;
    if (got < 0) return ErrnoError("can't look at what a socket holds");
    CloseReceived(message, rights);
    // The end. Where messages have no end an empty one counts, and where they may have one
    // (SOCK_SEQPACKET) it can't be told from it.
    if (got == 0 && (stream || ReadNumber(fd, SOL_SOCKET, SO_TYPE) == SOCK_SEQPACKET))
      return queued;
    if ((message.msg_flags & MSG_TRUNC) != 0)
      return MakeError("a socket holds a message of more than {} bytes", kLargest);
    QueuedBytes bytes;
    bytes.bytes.assign(buffer.begin(), buffer.begin() + got);
    const auto* name = reinterpret_cast<const uint8_t*>(&address);
    if (!stream) bytes.from.assign(name, name + message.msg_namelen);
    queued.push_back(std::move(bytes));
  }
}

}  // namespace retake
