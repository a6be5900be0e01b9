// Sockets of the internet families: those that listen, those of datagrams, those not used yet.
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
#include "snapshot/udp_queue.h"

namespace retake {
namespace {

bool IsInternetSocket(const FdSubject& subject) {
  int domain = SocketDomain(subject);
  return domain == AF_INET || domain == AF_INET6;
}

bool CaptureStream(const FdSubject& subject, FdCapture& capture, SocketState& state) {
  auto progress = TcpProgressOf(subject.copy->get());
  if (!progress) {
    capture.Lose(subject, "it is no TCP socket");
    return false;
  }
  if (!state.listening) return true;
  state.backlog = progress->backlog;
  capture.listeners.push_back({.pid = subject.pid,
                               .number = subject.number,
                               .link = subject.link,
                               .inode = state.inode,
                               .name = state.name,
                               .waiting = progress->waiting});
  return true;
}

Result<bool> CaptureInternetSocket(const FdSubject& subject, FdCapture& capture, OpenFile& out) {
  SocketState state = TRY(ReadSocket(subject.copy->get(), subject.status.st_ino));
  if (state.type == SOCK_STREAM) {
    if (!CaptureStream(subject, capture, state)) return false;
  } else if (state.type == SOCK_DGRAM) {
    bool rights = false;
    state.queued = TRY(PeekSocket(subject.copy->get(), false, &rights));
    int corked = 0, unsent = 0;
    socklen_t size = sizeof corked;
    getsockopt(subject.copy->get(), IPPROTO_UDP, UDP_CORK, &corked, &size);
    if (corked != 0 && ioctl(subject.copy->get(), SIOCOUTQ, &unsent) == 0 && unsent > 0)
      capture.Lose(subject, "a datagram that wasn't finished (UDP_CORK)");
    std::string why = state.queued.empty() ? "" : WhyNotResent(subject.copy->get(), state);
    if (!why.empty()) {
      capture.Lose(subject,
                   fmt::format("{} datagrams that wait in it: {}", state.queued.size(), why),
                   LossNature::kPassing);
      state.queued.clear();
    }
  } else {
    capture.Lose(subject, "raw sockets aren't kept");
    return false;
  }
  CaptureAttachments(subject, capture, state);
  out.socket = std::move(state);
  return true;
}

Result<Fd> OpenInternetSocket(const OpenFile& file, FdRestore& restore) {
  const SocketState& state = *file.socket;
  Fd fd(socket(state.domain, state.type | SOCK_CLOEXEC, state.protocol));
  if (!fd) return ErrnoError("can't make a socket");
  TRY(SetSocketOptions(fd.get(), state));
  // As if it had it: connections of the tree's may be there already, or be what is left of it.
  int reuses = 1;
  if (state.type == SOCK_STREAM)
    setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &reuses, sizeof reuses);
  if (HasPort(state.name) && !BindSocket(fd.get(), state.name))
    return ErrnoError("can't bind a socket to {}", DescribeAddress(state.name));
  if (state.listening && listen(fd.get(), static_cast<int>(state.backlog)) != 0)
    return ErrnoError("can't listen at {}", DescribeAddress(state.name));
  TRY(ResendDatagrams(fd.get(), state, restore));
  if (state.type == SOCK_DGRAM && !state.peer_name.empty() &&
      !ConnectSocket(fd.get(), state.peer_name))
    return ErrnoError("can't connect a socket to {}", DescribeAddress(state.peer_name));
  TRY(SetSocketOptions(fd.get(), state));
  TRY(RestoreAttachments(fd.get(), state));
  TRY(SetStatusFlags(fd.get(), file));
  return fd;
}

}  // namespace

constinit const FdKind kInternetSocketFd = {FileKind::kInternetSocket, "internet socket",
                                            IsInternetSocket, CaptureInternetSocket,
                                            OpenInternetSocket};

}  // namespace retake
