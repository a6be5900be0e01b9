// Sockets of the internet families: those that listen, those of datagrams, those not used yet.
// Connections are another matter: the other end doesn't stand still.
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "snapshot/fd_kind.h"
#include "snapshot/socket_attachments.h"
#include "snapshot/socket_state.h"

namespace retake {
namespace {

bool IsInternetSocket(const FdSubject& subject) {
  int domain = SocketDomain(subject);
  return domain == AF_INET || domain == AF_INET6;
}

// "127.0.0.1:80", "[::1]:80".
std::string Describe(const std::vector<uint8_t>& name) {
  char text[INET6_ADDRSTRLEN] = "?";
  sockaddr_storage address{};
  memcpy(&address, name.data(), std::min(name.size(), sizeof address));
  if (address.ss_family == AF_INET6) {
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(address);
    inet_ntop(AF_INET6, &v6.sin6_addr, text, sizeof text);
    return fmt::format("[{}]:{}", text, ntohs(v6.sin6_port));
  }
  const auto& v4 = reinterpret_cast<const sockaddr_in&>(address);
  inet_ntop(AF_INET, &v4.sin_addr, text, sizeof text);
  return fmt::format("{}:{}", text, ntohs(v4.sin_port));
}

bool HasPort(const std::vector<uint8_t>& name) {
  in_port_t port = 0;
  if (name.size() >= offsetof(sockaddr_in, sin_port) + sizeof port)
    memcpy(&port, name.data() + offsetof(sockaddr_in, sin_port), sizeof port);
  return port != 0;
}

Result<bool> CaptureStream(const FdSubject& subject, FdCapture& capture, SocketState& state) {
  int fd = subject.copy->get();
  tcp_info info{};
  socklen_t size = sizeof info;
  if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) != 0) {
    capture.Lose(subject, "it is no TCP socket");
    return false;
  }
  switch (info.tcpi_state) {
    case TCP_LISTEN:
      // net/ipv4/tcp.c, tcp_get_info: of a listening socket these are its queue and its backlog.
      state.backlog = info.tcpi_sacked;
      if (info.tcpi_unacked > 0) {
        capture.Lose(subject,
                     fmt::format("{} connections to it weren't accepted yet, and would break",
                                 info.tcpi_unacked));
      }
      return true;
    case TCP_CLOSE:
      return true;
    default:
      capture.Lose(
          subject,
          state.peer_name.empty()
              ? std::string("its connection is being closed or made")
              : fmt::format("its connection to {} would break (--skip-fd {} leaves it out)",
                            Describe(state.peer_name), subject.number));
      return false;
  }
}

Result<bool> CaptureInternetSocket(const FdSubject& subject, FdCapture& capture, OpenFile& out) {
  SocketState state = TRY(ReadSocket(subject.copy->get(), subject.status.st_ino));
  if (state.type == SOCK_STREAM) {
    if (!TRY(CaptureStream(subject, capture, state))) return false;
  } else if (state.type == SOCK_DGRAM) {
    bool rights = false;
    auto queued = TRY(PeekSocket(subject.copy->get(), false, &rights));
    int corked = 0, unsent = 0;
    socklen_t size = sizeof corked;
    getsockopt(subject.copy->get(), IPPROTO_UDP, UDP_CORK, &corked, &size);
    if (corked != 0 && ioctl(subject.copy->get(), SIOCOUTQ, &unsent) == 0 && unsent > 0)
      capture.Lose(subject, "a datagram that wasn't finished (UDP_CORK)");
    if (!queued.empty())
      capture.Lose(subject, fmt::format("{} datagrams that wait in it", queued.size()));
  } else {
    capture.Lose(subject, "raw sockets aren't kept");
    return false;
  }
  CaptureAttachments(subject, capture, state);
  out.socket = std::move(state);
  return true;
}

Result<Fd> OpenInternetSocket(const OpenFile& file, FdRestore&) {
  const SocketState& state = *file.socket;
  Fd fd(socket(state.domain, state.type | SOCK_CLOEXEC, state.protocol));
  if (!fd) return ErrnoError("can't make a socket");
  TRY(SetSocketOptions(fd.get(), state));
  if (HasPort(state.name) && bind(fd.get(), reinterpret_cast<const sockaddr*>(state.name.data()),
                                  static_cast<socklen_t>(state.name.size())) != 0)
    return ErrnoError("can't bind a socket to {}", Describe(state.name));
  if (state.listening && listen(fd.get(), static_cast<int>(state.backlog)) != 0)
    return ErrnoError("can't listen at {}", Describe(state.name));
  if (state.type == SOCK_DGRAM && !state.peer_name.empty() &&
      connect(fd.get(), reinterpret_cast<const sockaddr*>(state.peer_name.data()),
              static_cast<socklen_t>(state.peer_name.size())) != 0)
    return ErrnoError("can't connect a socket to {}", Describe(state.peer_name));
  TRY(RestoreAttachments(fd.get(), state));
  TRY(SetStatusFlags(fd.get(), file));
  return fd;
}

}  // namespace

constinit const FdKind kInternetSocketFd = {FileKind::kInternetSocket, "internet socket",
                                            IsInternetSocket, CaptureInternetSocket,
                                            OpenInternetSocket};

}  // namespace retake
