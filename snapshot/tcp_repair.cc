#include "snapshot/tcp_repair.h"

#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <set>

#include "base/syscall.h"
#include "snapshot/packet_filter.h"
#include "snapshot/socket_state.h"
#include "tracee/proc_files.h"
#include "tracee/ptrace.h"

namespace retake {
namespace {

constexpr int kGuardBound = 20'000;  // ms
constexpr int kEndBound = 200;       // ms
// What the kernel takes at a time into a queue.
constexpr size_t kPiece = 16 << 10;

template <typename T>
Status Set(int fd, int name, const T& value) {
  if (setsockopt(fd, IPPROTO_TCP, name, &value, sizeof value) != 0)
    return ErrnoError("can't set what a connection goes on with (option {})", name);
  return {};
}

template <typename T>
Result<T> Get(int fd, int name) {
  T value{};
  socklen_t size = sizeof value;
  if (getsockopt(fd, IPPROTO_TCP, name, &value, &size) != 0)
    return ErrnoError("can't read what a connection goes on with (option {})", name);
  return value;
}

Status ChooseQueue(int fd, int queue) { return Set(fd, TCP_REPAIR_QUEUE, queue); }

Status Fill(int fd, int queue, ByteSpan bytes) {
  TRY(ChooseQueue(fd, queue));
  while (!bytes.empty()) {
    ssize_t taken =
        send(fd, bytes.data(), std::min(bytes.size(), kPiece), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (taken <= 0) return ErrnoError("can't put {} bytes back into a connection", bytes.size());
    bytes = bytes.subspan(static_cast<size_t>(taken));
  }
  return {};
}

size_t SizeOf(const std::vector<QueuedBytes>& queued) {
  size_t size = 0;
  for (const QueuedBytes& piece : queued) size += piece.bytes.size();
  return size;
}

Status BeginRepair(int fd) {
  int on = TCP_REPAIR_ON;
  if (setsockopt(fd, IPPROTO_TCP, TCP_REPAIR, &on, sizeof on) == 0) return {};
  if (errno == EPERM) return MakeError("it takes CAP_NET_ADMIN");
  return ErrnoError("can't have it under repair (TCP_REPAIR)");
}

// TCP_REPAIR_OFF asks the other end how far it is, ..._NO_WP doesn't.
void EndRepair(int fd, int how) { setsockopt(fd, IPPROTO_TCP, TCP_REPAIR, &how, sizeof how); }

class UnderRepair {
 public:
  explicit UnderRepair(int fd) : fd_(fd) {}
  UnderRepair(const UnderRepair&) = delete;
  UnderRepair& operator=(const UnderRepair&) = delete;
  ~UnderRepair() { EndRepair(fd_, TCP_REPAIR_OFF_NO_WP); }

 private:
  int fd_;
};

}  // namespace

Status MayRepair() {
  Fd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP));
  if (!fd) return ErrnoError("can't make a socket");
  return BeginRepair(fd.get());
}

namespace {

// What can be read of a socket under repair only. The program must not go on meanwhile: its own
// calls would fail. It does if we are killed right here, so this is short.
Status ReadUnderRepair(int fd, TcpRepair& repair) {
  TRY(BeginRepair(fd));
  UnderRepair until_read(fd);
  repair.segment = TRY(Get<uint32_t>(fd, TCP_MAXSEG));
  TRY(ChooseQueue(fd, TCP_RECV_QUEUE));
  repair.received = TRY(Get<uint32_t>(fd, TCP_QUEUE_SEQ));
  TRY(ChooseQueue(fd, TCP_SEND_QUEUE));
  repair.sent = TRY(Get<uint32_t>(fd, TCP_QUEUE_SEQ));
  std::vector<uint8_t>& bytes = repair.to_send;
  if (!bytes.empty() && recv(fd, bytes.data(), bytes.size(), MSG_PEEK | MSG_DONTWAIT) !=
                            static_cast<ssize_t>(bytes.size()))
    return ErrnoError("can't read the {} bytes that a connection has to send", bytes.size());
  auto window = TRY(Get<tcp_repair_window>(fd, TCP_REPAIR_WINDOW));
  repair.window = {window.snd_wl1, window.snd_wnd, window.max_window, window.rcv_wnd,
                   window.rcv_wup};
  return ChooseQueue(fd, TCP_NO_QUEUE);
}

}  // namespace

Result<TcpRepair> ReadConnection(int fd, std::vector<QueuedBytes>& queued) {
  TcpRepair repair;
  tcp_info info = TRY(Get<tcp_info>(fd, TCP_INFO));
  if (info.tcpi_state != TCP_ESTABLISHED) return MakeError("it is ending");
  repair.options = info.tcpi_options;
  repair.send_scale = info.tcpi_snd_wscale;
  repair.receive_scale = info.tcpi_rcv_wscale;
  repair.timestamp = TRY(Get<uint32_t>(fd, TCP_TIMESTAMP));
  bool rights = false;
  queued = TRY(PeekSocket(fd, true, &rights));
  int to_send = 0, unsent = 0;
  if (ioctl(fd, SIOCOUTQ, &to_send) != 0 || ioctl(fd, SIOCOUTQNSD, &unsent) != 0)
    return ErrnoError("can't read how much a connection has to send");
  repair.to_send.resize(static_cast<size_t>(to_send));
  repair.unsent = static_cast<uint64_t>(unsent);
  TRY(ReadUnderRepair(fd, repair));
  // The numbers are those of the queues' ends.
  repair.received -= static_cast<uint32_t>(SizeOf(queued));
  repair.sent -= static_cast<uint32_t>(to_send);
  return repair;
}

Status MakeConnection(int fd, const SocketState& state) {
  const TcpRepair& repair = *state.repair;
  TRY(BeginRepair(fd));
  if (!BindSocket(fd, state.name))
    return ErrnoError("can't bind a socket to {}", DescribeAddress(state.name));
  TRY(ChooseQueue(fd, TCP_SEND_QUEUE));
  TRY(Set(fd, TCP_QUEUE_SEQ, repair.sent));
  TRY(ChooseQueue(fd, TCP_RECV_QUEUE));
  TRY(Set(fd, TCP_QUEUE_SEQ, repair.received));
  if (!ConnectSocket(fd, state.peer_name)) {
    return ErrnoError("can't have the connection from {} to {} again", DescribeAddress(state.name),
                      DescribeAddress(state.peer_name));
  }
  std::vector<tcp_repair_opt> options = {{TCPOPT_MAXSEG, repair.segment}};
  constexpr int kReceiveScale = 16;  // bits
  if ((repair.options & TCPI_OPT_WSCALE) != 0)
    options.push_back({TCPOPT_WINDOW, repair.send_scale | repair.receive_scale << kReceiveScale});
  if ((repair.options & TCPI_OPT_SACK) != 0) options.push_back({TCPOPT_SACK_PERMITTED, 0});
  if ((repair.options & TCPI_OPT_TIMESTAMPS) != 0) options.push_back({TCPOPT_TIMESTAMP, 0});
  if (setsockopt(fd, IPPROTO_TCP, TCP_REPAIR_OPTIONS, options.data(),
                 static_cast<socklen_t>(options.size() * sizeof options[0])) != 0)
    return ErrnoError("can't set what a connection's ends have agreed on");
  TRY(Set(fd, TCP_TIMESTAMP, repair.timestamp));
  for (const QueuedBytes& piece : state.queued) TRY(Fill(fd, TCP_RECV_QUEUE, piece.bytes));
  ByteSpan to_send = repair.to_send;
  TRY(Fill(fd, TCP_SEND_QUEUE, to_send.first(to_send.size() - repair.unsent)));
  TRY(ChooseQueue(fd, TCP_NO_QUEUE));
  const std::vector<uint32_t>& window = repair.window;
  return Set(fd, TCP_REPAIR_WINDOW,
             tcp_repair_window{window[0], window[1], window[2], window[3], window[4]});
}

Status ResumeConnection(int fd, const TcpRepair& repair) {
  EndRepair(fd, TCP_REPAIR_OFF);
  ByteSpan bytes = ByteSpan(repair.to_send).last(repair.unsent);
  while (!bytes.empty()) {
    ssize_t taken = send(fd, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (taken > 0) {
      bytes = bytes.subspan(static_cast<size_t>(taken));
      continue;
    }
    // It had room for them.
    int size = ReadNumber(fd, SOL_SOCKET, SO_SNDBUF) / 2 + static_cast<int>(bytes.size());
    if (errno != EAGAIN || setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size) != 0)
      return ErrnoError("can't put {} bytes back into a connection", bytes.size());
  }
  return {};
}

// In a process of its own.
void HeldConnections::Guard(pid_t root, int told, std::span<const int> sockets) const {
  setsid();
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_BLOCK, &all, nullptr);
  std::set<int> kept(sockets.begin(), sockets.end());
  kept.insert(told);
  KeepOnly(kept);
  Fd pidfd(PidfdOpen(root, 0));
  auto word = Word::kLetGo;
  ssize_t got = read(told, &word, 1);
  for (int fd : sockets) EndRepair(fd, TCP_REPAIR_OFF_NO_WP);
  if (got != 1) {
    // Nobody is left to tell. If the tree ends it does so now.
    pollfd ended{pidfd.get(), POLLIN, 0};
    if (poll(&ended, 1, kEndBound) == 1) word = Word::kKeep;
  }
  if (word == Word::kLetGo) LetPacketsPass(table_);
  _exit(0);
}

Status HeldConnections::Hold(pid_t root, std::span<const int> sockets) {
  std::vector<EndpointPair> ends;
  for (int fd : sockets) ends.emplace_back(EndpointOf(NameOf(fd)), EndpointOf(PeerNameOf(fd)));
  uint64_t number = 0;
  if (getrandom(&number, sizeof number, 0) != sizeof number)
    return ErrnoError("can't get a random number");
  table_ = fmt::format("retake_{:016x}", number);
  int pipe_ends[2];
  if (pipe2(pipe_ends, O_CLOEXEC) != 0) return ErrnoError("can't make a pipe");
  Fd told(pipe_ends[0]);
  tell_.Reset(pipe_ends[1]);
  guard_ = fork();
  if (guard_ < 0) return ErrnoError("can't fork");
  if (guard_ == 0) {
    tell_.Reset();
    Guard(root, told.get(), sockets);
  }
  Status held = HoldPackets(table_, ends);
  if (!held.ok()) LetGo();
  return held;
}

void HeldConnections::End(Word word) {
  if (guard_ <= 0) return;
  (void)!write(tell_.get(), &word, 1);
  tell_.Reset();
  (void)ptracer::WaitOne(guard_, kGuardBound);
  guard_ = 0;
}

}  // namespace retake
