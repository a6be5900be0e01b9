// TCP connections. Both ends in the tree: what has arrived and wasn't read is kept, and a restored
// one is made anew between the same addresses. An end whose other is elsewhere goes on with it,
// where the tree ends with its checkpoint and the rights are there (snapshot/tcp_repair.h); else it
// is named, or, where that is accepted (--tcp-close), its connection is reset when restored.
//
// A connection that is made again takes somebody who listens. It is another than the program's own:
// to that, anybody may connect meanwhile. So connections come before sockets that listen, and only
// those that the program hasn't accepted yet after them.
#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <set>

#include "base/clock.h"
#include "snapshot/fd_kind.h"
#include "snapshot/packet_filter.h"
#include "snapshot/socket_attachments.h"
#include "snapshot/socket_state.h"
#include "snapshot/tcp_repair.h"

namespace retake {
namespace {

// What is on its way over a machine's own network arrives within the call that sends it, as a rule;
// and a new connection is there as soon.
constexpr int kArrival = 200;  // ms
constexpr int kBound = 2'000;  // ms

bool IsTcp(const SocketState& state) {
  return (state.domain == AF_INET || state.domain == AF_INET6) && state.type == SOCK_STREAM &&
         state.protocol == IPPROTO_TCP;
}

// One that was connected once: what isn't there to be read ends.
bool HasEnded(int fd) {
  char byte;
  return recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0 || errno != ENOTCONN;
}

bool IsTcpConnection(const FdSubject& subject) {
  int domain = SocketDomain(subject);
  if (domain != AF_INET && domain != AF_INET6) return false;
  auto progress = TcpProgressOf(subject.copy->get());
  if (!progress || progress->state == TCP_LISTEN) return false;
  return progress->state != TCP_CLOSE || HasEnded(subject.copy->get());
}

// --- Capture ---

short Events(int fd, short asked) {
  pollfd poller{fd, asked, 0};
  return poll(&poller, 1, 0) > 0 ? poller.revents : static_cast<short>(0);
}

bool HasOption(int fd, int level, int name) {
  char value[64];
  socklen_t size = sizeof value;
  return getsockopt(fd, level, name, value, &size) == 0 && size > 0 && value[0] != 0;
}

Result<bool> CaptureTcpConnection(const FdSubject& subject, FdCapture& capture, OpenFile& out) {
  int fd = subject.copy->get();
  SocketState state = TRY(ReadSocket(fd, subject.status.st_ino));
  TcpProgress progress = TcpProgressOf(fd).value_or(TcpProgress());
  if (!IsTcp(state) || HasOption(fd, IPPROTO_TCP, TCP_ULP)) {
    capture.Lose(subject, "a connection of multipath TCP, or one that the kernel encrypts");
    return false;
  }
  if (progress.state == TCP_SYN_SENT || progress.state == TCP_SYN_RECV) {
    capture.Lose(subject, "its connection is being made", LossNature::kPassing);
    return false;
  }
  short events = Events(fd, POLLPRI | POLLRDHUP);
  if ((events & POLLPRI) != 0)
    capture.Lose(subject, "urgent data that wait in it", LossNature::kPassing);
  if ((events & POLLERR) != 0)
    capture.Lose(subject, "an error of its that wasn't asked for yet", LossNature::kPassing);
  bool ended = progress.state == TCP_CLOSE;
  if (progress.has_finished() || ended) state.shut_down |= 2;
  if ((events & POLLRDHUP) != 0 && !progress.has_seen_end()) state.shut_down |= 1;
  state.other_end = ended ? OtherEnd::kEnded : OtherEnd::kElsewhere;
  CaptureAttachments(subject, capture, state);
  TcpEnd end{.pid = subject.pid, .number = subject.number, .link = subject.link};
  end.inode = state.inode;
  end.name = state.name;
  end.peer_name = state.peer_name;
  end.copy.Reset(fcntl(fd, F_DUPFD_CLOEXEC, 0));
  capture.connections.push_back(std::move(end));
  out.socket = std::move(state);
  return true;
}

// The larger sizes take a capability, the others go up to a limit: net.core.rmem_max, wmem_max.
void SetBuffer(int fd, int with_rights, int without, int size) {
  if (setsockopt(fd, SOL_SOCKET, with_rights, &size, sizeof size) != 0)
    setsockopt(fd, SOL_SOCKET, without, &size, sizeof size);
}

// While it lives, a socket has room for more than it is set to: what its reader was too slow for
// leaves the sender, where it can't be looked at.
class RoomToReceive {
 public:
  RoomToReceive(int fd, uint64_t bytes) : fd_(fd) {
    constexpr uint64_t kMost = 64 << 20;
    before_ = ReadNumber(fd, SOL_SOCKET, SO_RCVBUF) / 2;
    lock_ = ReadNumber(fd, SOL_SOCKET, kSoBufLock);
    quick_ = ReadNumber(fd, IPPROTO_TCP, TCP_QUICKACK);
    // In the kernel each piece takes up to twice what it holds.
    auto more = static_cast<int>(2 * std::min(bytes, kMost));
    SetBuffer(fd, SO_RCVBUFFORCE, SO_RCVBUF, before_ + more);
    // Without rights it may have become smaller than the kernel itself had made it.
    if (ReadNumber(fd, SOL_SOCKET, SO_RCVBUF) / 2 < before_) Restore();
  }
  RoomToReceive(const RoomToReceive&) = delete;
  RoomToReceive& operator=(const RoomToReceive&) = delete;
  ~RoomToReceive() {
    Restore();
    setsockopt(fd_, IPPROTO_TCP, TCP_QUICKACK, &quick_, sizeof quick_);
  }

  // Tells the sender how much it may send: the kernel looks when something is read, and even when
  // it is only looked at. And that it has it so far, which it may wait for.
  void Hurry() const {
    char byte;
    recv(fd_, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    int on = 1;
    setsockopt(fd_, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof on);
  }

 private:
  void Restore() const {
    SetBuffer(fd_, SO_RCVBUFFORCE, SO_RCVBUF, before_);
    setsockopt(fd_, SOL_SOCKET, kSoBufLock, &lock_, sizeof lock_);
  }

  int fd_, before_ = 0, lock_ = 0, quick_ = 0;
};

template <typename File>
File* FileOf(std::span<File> files, uint64_t inode) {
  auto found = std::ranges::find_if(files, [&](const OpenFile& file) {
    return file.kind == FileKind::kTcpConnection && file.socket->inode == inode;
  });
  return found == files.end() ? nullptr : &*found;
}

class Pairing {
 public:
  Pairing(FdCapture& capture, std::span<OpenFile> files, OutsideConnections outside)
      : capture_(capture), files_(files), outside_(outside) {}

  Status Pair() {
    for (const TcpEnd& end : capture_.connections) {
      OpenFile* file = FileOf(files_, end.inode);
      if (file != nullptr && file->socket->other_end != OtherEnd::kEnded)
        FindOther(end, *file->socket);
    }
    HoldThoseElsewhere();
    // When all has arrived that will.
    for (const TcpEnd& end : capture_.connections) TRY(ReadEnd(end));
    for (const TcpListener& listener : capture_.listeners) {
      if (listener.waiting == waiting_at_[listener.inode]) continue;
      Lose(listener,
           fmt::format("{} connections to it weren't accepted yet, and would break",
                       listener.waiting - waiting_at_[listener.inode]),
           LossNature::kPassing);
    }
    return {};
  }

 private:
  template <typename Socket>
  void Lose(const Socket& socket, const std::string& what,
            LossNature nature = LossNature::kCertain) {
    capture_.losses.push_back({.pid = socket.pid,
                               .fd = socket.number,
                               .kind = socket.link,
                               .what = what,
                               .nature = nature});
  }

  Status ReadEnd(const TcpEnd& end) {
    OpenFile* file = FileOf(files_, end.inode);
    if (file == nullptr) return {};
    SocketState& state = *file->socket;
    if (state.repair) {
      Result<TcpRepair> repair = ReadConnection(end.copy.get(), state.queued);
      if (!repair.ok()) LoseElsewhere(end, repair.error().Message());
      state.repair = repair.ok() ? std::optional(std::move(*repair)) : std::nullopt;
      if (state.repair) state.repair->table = capture_.held.table();
      return {};
    }
    bool rights = false;
    state.queued = TRY(PeekSocket(end.copy.get(), true, &rights));
    return {};
  }

  void LoseElsewhere(const TcpEnd& end, std::string_view why) {
    Lose(end, fmt::format("its connection to {} would break: its other end is outside of the tree, "
                          "and {} (--tcp-close accepts that, --skip-fd {} leaves it out)",
                          DescribeAddress(end.peer_name), why, end.number));
  }

  // Or, without a file to write, finds out whether they could be.
  Status Hold() {
    TRY(MayRepair());
    if (outside_ == OutsideConnections::kLook) return MayHoldPackets();
    std::vector<int> sockets;
    for (const TcpEnd* end : elsewhere_) sockets.push_back(end->copy.get());
    return capture_.held.Hold(capture_.pids[0], sockets);
  }

  void HoldThoseElsewhere() {
    if (elsewhere_.empty() || outside_ == OutsideConnections::kClose) return;
    std::string why_not;
    if (outside_ == OutsideConnections::kName) {
      why_not = "it is kept only with `--leave killed`";
    } else if (Status held = Hold(); !held.ok()) {
      why_not = fmt::format("can't be held back: {}", held.error().Message());
    }
    for (const TcpEnd* end : elsewhere_) {
      if (!why_not.empty()) {
        LoseElsewhere(*end, why_not);
      } else if (outside_ == OutsideConnections::kHold) {
        FileOf(files_, end->inode)->socket->repair.emplace();
      }
    }
  }

  // Those that have no connection any more have no peer's name either.
  void FindOther(const TcpEnd& end, SocketState& state) {
    Endpoint here = EndpointOf(end.name), there = EndpointOf(end.peer_name);
    for (const TcpEnd& other : capture_.connections) {
      if (EndpointOf(other.name) != there || EndpointOf(other.peer_name) != here) continue;
      if (&other == &end) return Lose(end, "its connection to itself would break");
      state.other_end = OtherEnd::kInTree;
      state.peer_inode = other.inode;
      return AwaitArrival(end, [&] { return TcpProgressOf(other.copy.get()); });
    }
    auto peer = FindTcpPeer(end.name, end.peer_name);
    if (peer && peer->inode == 0 && !peer->progress.has_finished()) {
      if (const TcpListener* listener = ListenerAt(there)) {
        ++waiting_at_[listener->inode];
        state.other_end = OtherEnd::kNotAccepted;
        state.peer_inode = listener->inode;
        if (peer->progress.received == 0) return;
        return Lose(end,
                    fmt::format("{} bytes that were sent over it before it was accepted",
                                peer->progress.received),
                    LossNature::kPassing);
      }
    }
    bool local = there.is_loopback() || there.address == here.address;
    auto progress = TcpProgressOf(end.copy.get());
    bool closed = peer ? peer->inode == 0 && peer->progress.has_finished()
                       : progress && progress->has_seen_end();
    if (local && closed) {
      state.other_end = OtherEnd::kClosed;
      if (peer && peer->progress.state != TCP_TIME_WAIT)
        AwaitArrival(end, [&] { return std::optional(peer->progress); });
      return;
    }
    elsewhere_.push_back(&end);
  }

  // Until `end` has received what its other end has sent.
  template <typename Ask>
  void AwaitArrival(const TcpEnd& end, Ask ask_other) {
    std::optional<RoomToReceive> room;
    int64_t deadline = MonotonicMilliseconds() + kArrival;
    for (;;) {
      auto here = TcpProgressOf(end.copy.get());
      std::optional<TcpProgress> there = ask_other();
      if (!here || !there) return Lose(end, "how much is on its way to it can't be found out");
      uint64_t coming = there->unsent + there->sent - here->received;
      if (coming == 0) return;
      if (!room) room.emplace(end.copy.get(), coming);
      room->Hurry();
      if (MonotonicMilliseconds() > deadline) {
        return Lose(end,
                    fmt::format("{} bytes that its other end has sent and that haven't "
                                "arrived yet",
                                coming),
                    LossNature::kPassing);
      }
      usleep(100);
    }
  }

  const TcpListener* ListenerAt(const Endpoint& end) const {
    auto found = std::ranges::find_if(capture_.listeners, [&](const TcpListener& listener) {
      Endpoint at = EndpointOf(listener.name);
      return at.port == end.port && (at.is_any() || at.address == end.address);
    });
    return found == capture_.listeners.end() ? nullptr : &*found;
  }

  FdCapture& capture_;
  std::span<OpenFile> files_;
  OutsideConnections outside_;
  std::vector<const TcpEnd*> elsewhere_;
  std::map<uint64_t, uint32_t> waiting_at_;  // by the listening socket
};

void SetResetOnClose(const Fd& fd) {
  linger at_once{1, 0};
  setsockopt(fd.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

// --- Restore ---

Status SetNumber(int fd, int name, int value) {
  if (setsockopt(fd, SOL_SOCKET, name, &value, sizeof value) != 0)
    return ErrnoError("can't set a socket's option {}", name);
  return {};
}

Status BindTo(int fd, const SocketName& name) {
  if (!BindSocket(fd, name)) {
    return ErrnoError("can't bind a socket to {}, where something is, or was within a minute",
                      DescribeAddress(name));
  }
  return {};
}

// How a socket gets its port. What is left of an old connection (TIME_WAIT) may hold it for a
// minute.
enum class PortBy : uint8_t {
  // Connecting with all other ports out of range, from Linux 6.3 on: after a second, unless
  // somebody has bound the port.
  kRange,
  // bind(2): at once, if all who have it allow it (SO_REUSEADDR).
  kBinding,
};

Status TakePort(int fd, const SocketName& name, PortBy by) {
  if (by == PortBy::kBinding) return BindTo(fd, name);
  uint32_t port = EndpointOf(name).port;
  uint32_t range = port << 16 | port;
  int on = 1;
  if (setsockopt(fd, IPPROTO_IP, kIpLocalPortRange, &range, sizeof range) != 0 ||
      setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on) != 0)
    return ErrnoError("can't have a socket connect from a port");
  SocketName without_port = name;
  memset(without_port.data() + offsetof(sockaddr_in, sin_port), 0, sizeof(in_port_t));
  return BindTo(fd, without_port);
}

Result<Fd> NewSocket(const SocketState& state, const SocketName& name, PortBy by) {
  Fd fd(socket(state.domain, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP));
  if (!fd) return ErrnoError("can't make a socket");
  TRY(SetNumber(fd.get(), SO_REUSEADDR, 1));
  TRY(SetEarlyOptions(fd.get(), state));
  if (HasPort(name)) TRY(TakePort(fd.get(), name, by));
  return fd;
}

Status ConnectTo(int fd, const SocketName& name) {
  bool done = ConnectSocket(fd, name);
  pollfd poller{fd, POLLOUT, 0};
  if (!done && errno == EINPROGRESS && poll(&poller, 1, kBound) == 1) {
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
    done = error == 0;
    errno = error;
  }
  if (!done) return ErrnoError("can't connect a socket to {}", DescribeAddress(name));
  return {};
}

struct Connection {
  Fd here, there;
};

// `there` accepts. Both ends' names are theirs if they have a port, else the kernel's choice.
Result<Connection> Connect(const SocketState& here, const SocketState& there, PortBy by) {
  Fd listening = TRY(NewSocket(there, there.name, PortBy::kBinding));
  if (listen(listening.get(), 1) != 0)
    return ErrnoError("can't listen at {}", DescribeAddress(there.name));
  Connection made{.here = TRY(NewSocket(here, here.name, by)), .there = Fd()};
  bool named = HasPort(here.name) && HasPort(here.peer_name);
  TRY(ConnectTo(made.here.get(), named ? here.peer_name : NameOf(listening.get())));
  Endpoint expected = EndpointOf(NameOf(made.here.get()));
  // A stranger may have found it.
  for (int64_t deadline = MonotonicMilliseconds() + kBound; MonotonicMilliseconds() < deadline;) {
    made.there.Reset(accept4(listening.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (made.there && EndpointOf(PeerNameOf(made.there.get())) == expected) return made;
    pollfd poller{listening.get(), POLLIN, 0};
    poll(&poller, 1, 1);
  }
  return MakeError("can't connect {} to {}: no connection came", DescribeAddress(here.name),
                   DescribeAddress(here.peer_name));
}

// By whichever way goes, as soon as it goes.
Result<Connection> ConnectAgain(const SocketState& here, const SocketState& there) {
  int64_t deadline = MonotonicMilliseconds() + kBound;
  for (;;) {
    std::optional<Error> first;
    for (PortBy by : {PortBy::kRange, PortBy::kBinding}) {
      auto made = Connect(here, there, by);
      if (made.ok()) return made;
      // Which end listened makes no difference any more.
      auto turned = Connect(there, here, by);
      if (turned.ok()) return Connection{std::move(turned->there), std::move(turned->here)};
      first = made.error();
    }
    if (MonotonicMilliseconds() > deadline) return *first;
    usleep(10'000);
  }
}

// To a socket of the tree that listens.
Result<Fd> ConnectFrom(const SocketState& mine) {
  int64_t deadline = MonotonicMilliseconds() + kBound;
  for (;;) {
    Status connected;
    for (PortBy by : {PortBy::kRange, PortBy::kBinding}) {
      Result<Fd> fd = NewSocket(mine, mine.name, by);
      connected = fd.ok() ? ConnectTo(fd->get(), mine.peer_name) : Status(fd.error());
      if (connected.ok()) return fd;
    }
    if (MonotonicMilliseconds() > deadline) return connected.error();
    usleep(10'000);
  }
}

// An end that nobody has, of a connection to `mine`.
SocketState Counterpart(const SocketState& mine) {
  SocketState other;
  other.domain = mine.domain;
  other.name = mine.peer_name;
  other.peer_name = mine.name;
  return other;
}

// Between two places of this machine's that the kernel chooses.
Result<Connection> ConnectAnywhere(const SocketState& mine) {
  SocketState here = mine;
  sockaddr_in v4{};
  v4.sin_family = AF_INET;
  v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  sockaddr_in6 v6{};
  v6.sin6_family = AF_INET6;
  v6.sin6_addr = in6addr_loopback;
  const auto* bytes = mine.domain == AF_INET6 ? reinterpret_cast<const uint8_t*>(&v6)
                                              : reinterpret_cast<const uint8_t*>(&v4);
  here.name.assign(bytes, bytes + (mine.domain == AF_INET6 ? sizeof v6 : sizeof v4));
  here.peer_name = here.name;
  return Connect(here, Counterpart(here), PortBy::kBinding);
}

// Into `to` what waited there, by its other end. What its buffer doesn't take at once stays on the
// way, as it may have been.
Status Refill(const Fd& from, const Fd& to, const SocketState& state) {
  uint64_t total = 0;
  for (const QueuedBytes& queued : state.queued) {
    int64_t deadline = MonotonicMilliseconds() + kBound;
    for (size_t at = 0; at < queued.bytes.size();) {
      size_t left = queued.bytes.size() - at;
      ssize_t sent = send(from.get(), queued.bytes.data() + at, left, MSG_NOSIGNAL | MSG_DONTWAIT);
      if (sent > 0) {
        at += static_cast<size_t>(sent);
        continue;
      }
      if (errno != EAGAIN || MonotonicMilliseconds() > deadline)
        return ErrnoError("can't put {} bytes back into a connection", left);
      pollfd poller{from.get(), POLLOUT, 0};
      if (poll(&poller, 1, kArrival) == 1) continue;
      int size = ReadNumber(from.get(), SOL_SOCKET, SO_SNDBUF) / 2 + static_cast<int>(left);
      SetBuffer(from.get(), SO_SNDBUFFORCE, SO_SNDBUF, size);
    }
    total += queued.bytes.size();
  }
  int arrived = 0;
  int64_t deadline = MonotonicMilliseconds() + kArrival;
  while (ioctl(to.get(), SIOCINQ, &arrived) == 0 && static_cast<uint64_t>(arrived) < total &&
         MonotonicMilliseconds() < deadline)
    usleep(50);
  return {};
}

void ShutDown(const Fd& fd, uint32_t directions) {
  // The other end may have gone in between: then there is nothing to end.
  if ((directions & 2) != 0) shutdown(fd.get(), SHUT_WR);
  if ((directions & 1) != 0) shutdown(fd.get(), SHUT_RD);
}

Result<Fd> OpenPair(const SocketState& mine, const SocketState& other, FdRestore& restore) {
  Connection made = TRY(ConnectAgain(mine, other));
  TRY(Refill(made.there, made.here, mine));
  TRY(Refill(made.here, made.there, other));
  ShutDown(made.here, mine.shut_down);
  ShutDown(made.there, other.shut_down);
  restore.waiting.emplace(mine.peer_inode, std::move(made.there));
  return std::move(made.here);
}

// An end that has no other: it has finished, was closed, or is as good as reset.
Result<Fd> OpenLone(const SocketState& mine) {
  auto at_its_place = mine.other_end == OtherEnd::kEnded ? ConnectAnywhere(mine)
                                                         : ConnectAgain(mine, Counterpart(mine));
  Connection made = at_its_place.ok() ? std::move(*at_its_place) : TRY(ConnectAnywhere(mine));
  TRY(Refill(made.there, made.here, mine));
  if (mine.other_end == OtherEnd::kElsewhere) {
    SetResetOnClose(made.there);
    made.there.Reset();
    return std::move(made.here);
  }
  made.there.Reset();
  // Its end comes after what it had sent.
  pollfd poller{made.here.get(), POLLRDHUP, 0};
  poll(&poller, 1, kBound);
  ShutDown(made.here, mine.shut_down);
  return std::move(made.here);
}

Result<Fd> OpenRepaired(const SocketState& mine) {
  Fd fd(socket(mine.domain, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP));
  if (!fd) return ErrnoError("can't make a socket");
  TRY(SetEarlyOptions(fd.get(), mine));
  Status made = MakeConnection(fd.get(), mine);
  if (made.ok()) return fd;
  return MakeError("its connection to {}: {}", DescribeAddress(mine.peer_name),
                   made.error().Message());
}

Result<Fd> OpenTcpConnection(const OpenFile& file, FdRestore& restore) {
  const SocketState& mine = *file.socket;
  if (mine.repair) return OpenRepaired(mine);
  Fd made = restore.TakeWaiting(mine.inode);
  if (made) return made;
  switch (mine.other_end) {
    case OtherEnd::kInTree: {
      const OpenFile* other = FileOf(restore.files, mine.peer_inode);
      return other == nullptr ? OpenLone(mine) : OpenPair(mine, *other->socket, restore);
    }
    case OtherEnd::kNotAccepted: {
      Fd fd = TRY(ConnectFrom(mine));
      ShutDown(fd, mine.shut_down);
      return fd;
    }
    default:
      return OpenLone(mine);
  }
}

}  // namespace

Status PairConnections(FdCapture& capture, std::span<OpenFile> files, OutsideConnections outside) {
  return Pairing(capture, files, outside).Pair();
}

void ResetConnections(const FdCapture& capture, std::span<OpenFile> files) {
  for (const TcpEnd& end : capture.connections) {
    const OpenFile* file = FileOf(files, end.inode);
    // What is held back isn't told of its end.
    if (file != nullptr && (file->socket->other_end == OtherEnd::kInTree || file->socket->repair))
      SetResetOnClose(end.copy);
  }
}

Status ResumeConnections(std::span<const OpenFile> files, std::span<const int> opened) {
  std::set<std::string> tables;
  for (const OpenFile& file : files) {
    if (file.socket && file.socket->repair) tables.insert(file.socket->repair->table);
  }
  for (const std::string& table : tables) LetPacketsPass(table);
  for (size_t i = 0; i < files.size(); ++i) {
    if (files[i].socket && files[i].socket->repair)
      TRY(ResumeConnection(opened[i], *files[i].socket->repair));
  }
  return {};
}

Status CompleteConnections(const FdRestore& restore) {
  for (size_t i = 0; i < restore.files.size(); ++i) {
    const OpenFile& file = restore.files[i];
    if (file.kind != FileKind::kTcpConnection || restore.options.replaced.contains(i)) continue;
    int fd = restore.opened[i].get();
    TRY(SetSocketOptions(fd, *file.socket));
    TRY(RestoreAttachments(fd, *file.socket));
    TRY(SetStatusFlags(fd, file));
  }
  return {};
}

constinit const FdKind kTcpConnectionFd = {FileKind::kTcpConnection, "tcp connection",
                                           IsTcpConnection, CaptureTcpConnection,
                                           OpenTcpConnection};

}  // namespace retake
