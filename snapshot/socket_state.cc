#include "snapshot/socket_state.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>

namespace retake {
namespace {

struct OptionName {
  int domain;  // AF_UNSPEC: of all
  int type;    // 0: of all
  int level, name;
  bool doubled = false;  // the kernel gives twice what it was set to, socket(7)
};

constexpr OptionName kOptions[] = {
    {AF_UNSPEC, 0, SOL_SOCKET, SO_REUSEADDR},
    {AF_UNSPEC, 0, SOL_SOCKET, SO_REUSEPORT},
    {AF_UNSPEC, 0, SOL_SOCKET, SO_KEEPALIVE},
    {AF_UNSPEC, 0, SOL_SOCKET, SO_BROADCAST},
    {AF_UNSPEC, 0, SOL_SOCKET, SO_OOBINLINE},
    {AF_UNSPEC, 0, SOL_SOCKET, SO_LINGER},
    {AF_UNSPEC, 0, SOL_SOCKET, SO_PASSCRED},
    {AF_UNSPEC, 0, SOL_SOCKET, SO_PRIORITY},
    {AF_UNSPEC, 0, SOL_SOCKET, SO_SNDTIMEO},
    {AF_UNSPEC, 0, SOL_SOCKET, SO_RCVTIMEO},
    {AF_UNSPEC, 0, SOL_SOCKET, SO_RCVLOWAT},
    {AF_UNSPEC, 0, SOL_SOCKET, SO_TIMESTAMP},
    {AF_UNSPEC, 0, SOL_SOCKET, SO_TIMESTAMPNS},
    {AF_UNSPEC, 0, SOL_SOCKET, SO_SNDBUF, true},
    {AF_UNSPEC, 0, SOL_SOCKET, SO_RCVBUF, true},
    {AF_INET, 0, IPPROTO_IP, IP_TOS},
    {AF_INET, 0, IPPROTO_IP, IP_TTL},
    {AF_INET, 0, IPPROTO_IP, IP_RECVERR},
    {AF_INET, 0, IPPROTO_IP, IP_PKTINFO},
    {AF_INET, 0, IPPROTO_IP, IP_FREEBIND},
    {AF_INET6, 0, IPPROTO_IPV6, IPV6_V6ONLY},
    {AF_INET6, 0, IPPROTO_IPV6, IPV6_TCLASS},
    {AF_INET6, 0, IPPROTO_IPV6, IPV6_RECVERR},
    {AF_INET6, 0, IPPROTO_IPV6, IPV6_RECVPKTINFO},
    {AF_INET, SOCK_STREAM, IPPROTO_TCP, TCP_NODELAY},
    {AF_INET, SOCK_STREAM, IPPROTO_TCP, TCP_KEEPIDLE},
    {AF_INET, SOCK_STREAM, IPPROTO_TCP, TCP_KEEPINTVL},
    {AF_INET, SOCK_STREAM, IPPROTO_TCP, TCP_KEEPCNT},
    {AF_INET, SOCK_STREAM, IPPROTO_TCP, TCP_USER_TIMEOUT},
    {AF_INET, SOCK_STREAM, IPPROTO_TCP, TCP_DEFER_ACCEPT},
    {AF_INET, SOCK_STREAM, IPPROTO_TCP, TCP_CONGESTION},
};

bool Applies(const OptionName& option, const SocketState& socket) {
  bool internet = socket.domain == AF_INET || socket.domain == AF_INET6;
  // TCP's are the same over both.
  bool domain = option.domain == AF_UNSPEC || option.domain == socket.domain ||
                (option.level == IPPROTO_TCP && internet);
  return domain && (option.type == 0 || option.type == socket.type);
}

std::vector<uint8_t> ReadOption(int fd, int level, int name) {
  std::vector<uint8_t> value(64);
  socklen_t size = static_cast<socklen_t>(value.size());
  if (getsockopt(fd, level, name, value.data(), &size) != 0) size = 0;
  value.resize(size);
  return value;
}

int ReadNumber(int fd, int name) {
  int value = 0;
  socklen_t size = sizeof value;
  getsockopt(fd, SOL_SOCKET, name, &value, &size);
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
  explicit PeekOffset(int fd) : fd_(fd), before_(ReadNumber(fd, SO_PEEK_OFF)) { Set(0); }
  PeekOffset(const PeekOffset&) = delete;
  PeekOffset& operator=(const PeekOffset&) = delete;
  ~PeekOffset() { Set(before_); }

 private:
  void Set(int offset) { setsockopt(fd_, SOL_SOCKET, SO_PEEK_OFF, &offset, sizeof offset); }
  int fd_;
  int before_;
};

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

}  // namespace

int SocketDomain(const FdSubject& subject) {
  if (!S_ISSOCK(subject.status.st_mode) || subject.copy == nullptr) return AF_UNSPEC;
  return ReadNumber(subject.copy->get(), SO_DOMAIN);
}

Result<SocketState> ReadSocket(int fd, uint64_t inode) {
  SocketState state{.inode = inode};
  state.domain = ReadNumber(fd, SO_DOMAIN);
  state.type = ReadNumber(fd, SO_TYPE);
  state.protocol = ReadNumber(fd, SO_PROTOCOL);
  state.listening = ReadNumber(fd, SO_ACCEPTCONN) != 0;
  state.name = ReadName(fd, getsockname);
  state.peer_name = ReadName(fd, getpeername);
  for (const OptionName& option : kOptions) {
    if (!Applies(option, state)) continue;
    std::vector<uint8_t> value = ReadOption(fd, option.level, option.name);
    if (!value.empty()) state.options.push_back({option.level, option.name, std::move(value)});
  }
  return state;
}

Status SetSocketOptions(int fd, const SocketState& state) {
  for (const SocketOption& option : state.options) {
    if (ReadOption(fd, option.level, option.name) == option.value) continue;
    std::vector<uint8_t> value = option.value;
    for (const OptionName& known : kOptions) {
      if (known.level != option.level || known.name != option.name || !known.doubled) continue;
      int size = 0;
      if (value.size() != sizeof size) return MakeError("a socket's option is damaged");
      memcpy(&size, value.data(), sizeof size);
      size /= 2;
      memcpy(value.data(), &size, sizeof size);
    }
    if (setsockopt(fd, option.level, option.name, value.data(),
                   static_cast<socklen_t>(value.size())) != 0)
      return ErrnoError("can't set a socket's option {}/{}", option.level, option.name);
  }
  return {};
}

Result<std::vector<QueuedBytes>> PeekSocket(int fd, bool stream, bool* rights) {
  std::vector<QueuedBytes> queued;
  PeekOffset from_the_start(fd);
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
    // The end of a stream; of messages an empty one counts.
    if (got == 0 && (stream || message.msg_namelen == 0)) return queued;
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
