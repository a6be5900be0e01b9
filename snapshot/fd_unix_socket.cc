// Sockets between processes of one machine.
#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <linux/unix_diag.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>

#include "snapshot/fd_kind.h"
#include "snapshot/socket_attachments.h"
#include "snapshot/socket_listing.h"
#include "snapshot/socket_state.h"
#include "snapshot/unix_address.h"

namespace retake {
namespace {

// What only the kernel's socket listing tells, unix_diag of sock_diag(7).
struct Diagnosis {
  uint64_t peer_inode = 0;
  uint32_t shut_down = 0;
  uint32_t waiting = 0;  // of a listening one: connections that weren't accepted
  uint32_t backlog = 0;
  uint64_t name_device = 0, name_inode = 0;  // of the file that it was bound to; 0: none
};

std::optional<Diagnosis> Diagnose(uint64_t inode) {
  unix_diag_req request{};
  request.sdiag_family = AF_UNIX;
  request.udiag_states = ~0U;
  request.udiag_ino = static_cast<uint32_t>(inode);
  request.udiag_show = UDIAG_SHOW_PEER | UDIAG_SHOW_RQLEN | UDIAG_SHOW_VFS;
  request.udiag_cookie[0] = request.udiag_cookie[1] = ~0U;
  SocketAnswer answer({reinterpret_cast<const uint8_t*>(&request), sizeof request});
  const nlmsghdr* header = answer.header();
  if (header == nullptr) return std::nullopt;
  const auto* message = static_cast<const unix_diag_msg*>(NLMSG_DATA(header));
  Diagnosis out;
  int size = static_cast<int>(header->nlmsg_len - NLMSG_LENGTH(sizeof *message));
  for (const auto* part = reinterpret_cast<const rtattr*>(message + 1); RTA_OK(part, size);
       part = RTA_NEXT(part, size)) {
    uint32_t value = 0;
    switch (part->rta_type) {
      case UNIX_DIAG_PEER:
        memcpy(&value, RTA_DATA(part), sizeof value);
        out.peer_inode = value;
        break;
      case UNIX_DIAG_VFS: {
        unix_diag_vfs file{};
        memcpy(&file, RTA_DATA(part), sizeof file);
        // The kernel's own dev_t: 20 bits of minor number.
        constexpr uint32_t kMinorBits = 20;
        out.name_device = makedev(file.udiag_vfs_dev >> kMinorBits,
                                  file.udiag_vfs_dev & ((1U << kMinorBits) - 1));
        out.name_inode = file.udiag_vfs_ino;
        break;
      }
      case UNIX_DIAG_SHUTDOWN:
        out.shut_down = *static_cast<const uint8_t*>(RTA_DATA(part));
        break;
      case UNIX_DIAG_RQLEN: {
        unix_diag_rqlen lengths{};
        memcpy(&lengths, RTA_DATA(part), sizeof lengths);
        out.waiting = lengths.udiag_rqueue;
        out.backlog = lengths.udiag_wqueue;
        break;
      }
      default:
        break;
    }
  }
  return out;
}

bool IsUnixSocket(const FdSubject& subject) { return SocketDomain(subject) == AF_UNIX; }

// Where its name leads to it from, if it does.
void FindName(const FdSubject& subject, const Diagnosis& diagnosis, FdCapture& capture,
              SocketState& state) {
  std::string path = PathIn(state.name), peer_path = PathIn(state.peer_name);
  if (!peer_path.empty() && !peer_path.starts_with('/'))
    state.directory = ReadProcLink(subject.pid, "cwd");
  // A connection that was accepted has its listener's name.
  if (path.empty() || (!state.peer_name.empty() && state.type != SOCK_DGRAM)) return;
  bool relative = !path.starts_with('/');
  struct stat status {};
  std::string from = fmt::format("/proc/{}/{}", subject.pid, relative ? "cwd/" : "root");
  bool leads = stat((from + path).c_str(), &status) == 0 &&
               status.st_dev == diagnosis.name_device && status.st_ino == diagnosis.name_inode;
  state.unlinked = !leads;
  if (!relative) return;
  state.directory = ReadProcLink(subject.pid, "cwd");
  if (!leads) {
    capture.Lose(subject, fmt::format("whether its name, {}, leads to it from anywhere: not from "
                                      "its working directory",
                                      path));
  }
}

PeerCredentials PeerOf(int fd) {
  ucred peer{};
  socklen_t size = sizeof peer;
  getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size);
  return {.pid = peer.pid, .uid = peer.uid, .gid = peer.gid};
}

Result<bool> CaptureUnixSocket(const FdSubject& subject, FdCapture& capture, OpenFile& out) {
  int fd = subject.copy->get();
  SocketState state = TRY(ReadSocket(fd, subject.status.st_ino));
  auto diagnosis = Diagnose(state.inode);
  if (!diagnosis) {
    capture.Lose(subject, "which socket is at its other end can't be found out (sock_diag)");
    return false;
  }
  state.peer_inode = diagnosis->peer_inode;
  state.peer = PeerOf(fd);
  state.shut_down = diagnosis->shut_down;
  FindName(subject, *diagnosis, capture, state);
  CaptureAttachments(subject, capture, state);
  if (state.listening) {
    state.backlog = diagnosis->backlog;
    if (diagnosis->waiting > 0) {
      capture.Lose(subject,
                   fmt::format("{} connections to it weren't accepted yet, and would break",
                               diagnosis->waiting),
                   LossNature::kPassing);
    }
  } else {
    bool rights = false;
    state.queued = TRY(PeekSocket(fd, state.type == SOCK_STREAM, &rights));
    if (rights)
      capture.Lose(subject, "descriptors that were sent to it and not yet received",
                   LossNature::kPassing);
  }
  capture.sockets.push_back(
      {.pid = subject.pid, .number = subject.number, .link = subject.link, .inode = state.inode});
  out.socket = std::move(state);
  return true;
}

const OpenFile* FileOf(std::span<const OpenFile> files, uint64_t inode) {
  auto found = std::ranges::find_if(files, [&](const OpenFile& file) {
    return file.kind == FileKind::kUnixSocket && file.socket->inode == inode;
  });
  return inode == 0 || found == files.end() ? nullptr : &*found;
}

// --- Restore ---

// Puts into `to` what waited there, by its other end.
Status Refill(int from, const SocketState& to) {
  for (const QueuedBytes& bytes : to.queued) {
    if (send(from, bytes.bytes.data(), bytes.bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT) !=
        static_cast<ssize_t>(bytes.bytes.size()))
      return ErrnoError("can't put {} bytes back into a socket", bytes.bytes.size());
  }
  return {};
}

Status ShutDown(int fd, uint32_t directions) {
  if (directions == 0) return {};
  int how = directions == 3 ? SHUT_RDWR : directions == 1 ? SHUT_RD : SHUT_WR;
  if (shutdown(fd, how) != 0 && errno != ENOTCONN)
    return ErrnoError("can't shut a socket down as it was");
  return {};
}

// Under either end's inode.
auto FindPair(FdRestore& restore, const SocketState& mine)
    -> std::map<uint64_t, UnixPair>::iterator {
  auto made = restore.unix_pairs.find(mine.inode);
  bool is_end = made != restore.unix_pairs.end() || mine.peer_inode == 0 || mine.listening;
  return is_end ? made : restore.unix_pairs.find(mine.peer_inode);
}

Result<Fd> OpenPair(const OpenFile& file, FdRestore& restore) {
  const SocketState& mine = *file.socket;
  auto made = FindPair(restore, mine);
  Fd here = std::move(made->second.here), there = std::move(made->second.there);
  if (made->first != mine.inode) std::swap(here, there);
  restore.unix_pairs.erase(made);
  const OpenFile* peer = FileOf(restore.files, mine.peer_inode);
  TRY(SetSocketOptions(here.get(), mine));
  if (peer != nullptr) TRY(SetSocketOptions(there.get(), *peer->socket));
  TRY(Refill(there.get(), mine));
  if (peer != nullptr) {
    TRY(Refill(here.get(), *peer->socket));
    TRY(RestoreAttachments(there.get(), *peer->socket));
    TRY(ShutDown(there.get(), peer->socket->shut_down));
    TRY(SetStatusFlags(there.get(), *peer));
    restore.waiting.emplace(mine.peer_inode, std::move(there));
  }
  // Without a peer: it goes now, and what it had sent stays.
  TRY(RestoreAttachments(here.get(), mine));
  TRY(ShutDown(here.get(), mine.shut_down));
  TRY(SetStatusFlags(here.get(), file));
  return here;
}

// While it lives, relative paths start there; nowhere else, if it is empty.
class WorkingDirectory {
 public:
  explicit WorkingDirectory(const std::string& path) {
    if (path.empty()) return;
    before_.Reset(open(".", O_PATH | O_DIRECTORY | O_CLOEXEC));
    entered_ = before_ && chdir(path.c_str()) == 0;
  }
  WorkingDirectory(const WorkingDirectory&) = delete;
  WorkingDirectory& operator=(const WorkingDirectory&) = delete;
  ~WorkingDirectory() {
    if (before_) (void)!fchdir(before_.get());
  }
  explicit operator bool() const { return entered_; }

 private:
  Fd before_;
  bool entered_ = true;
};

// A socket file that nobody listens at is what is left of the socket that is being restored.
Status RemoveDead(const SocketState& state) {
  std::string path = PathIn(state.name);
  struct stat status {};
  if (path.empty() || stat(path.c_str(), &status) != 0 || !S_ISSOCK(status.st_mode)) return {};
  Fd probe(socket(AF_UNIX, state.type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (ConnectSocket(probe.get(), state.name) || errno != ECONNREFUSED)
    return MakeError("the socket {} is in use by another process", path);
  if (unlink(path.c_str()) != 0) return ErrnoError("can't replace the socket {}", path);
  return {};
}

// While it lives, there are the directories that lead to a path.
class LentDirectories {
 public:
  explicit LentDirectories(const std::string& path) {
    for (size_t end = path.find('/', 1); end != std::string::npos; end = path.find('/', end + 1)) {
      std::string directory = path.substr(0, end);
      if (mkdir(directory.c_str(), 0700) == 0) made_.push_back(std::move(directory));
    }
  }
  LentDirectories(const LentDirectories&) = delete;
  LentDirectories& operator=(const LentDirectories&) = delete;
  ~LentDirectories() {
    std::ranges::reverse(made_);
    for (const std::string& directory : made_) rmdir(directory.c_str());
  }

 private:
  std::vector<std::string> made_;
};

// Gives it its name, a path as the program gave it or one in the abstract, and by that what waited.
Status Bind(int fd, const SocketState& state) {
  WorkingDirectory there(state.directory);
  if (!there) return ErrnoError("can't go to {}, where a socket was", state.directory);
  TRY(RemoveDead(state));
  // A name that leads nowhere may have been deleted with all that it was in.
  std::optional<LentDirectories> lent;
  if (state.unlinked) lent.emplace(PathIn(state.name));
  if (!BindSocket(fd, state.name))
    return ErrnoError("can't bind a socket to {}", PathIn(state.name));
  if (!state.queued.empty()) {
    Fd sender(socket(AF_UNIX, state.type | SOCK_CLOEXEC, 0));
    if (!ConnectSocket(sender.get(), state.name))
      return ErrnoError("can't put back what waited in a socket");
    TRY(Refill(sender.get(), state));
  }
  if (state.unlinked && unlink(PathIn(state.name).c_str()) != 0)
    return ErrnoError("can't take a socket's name {} away again", PathIn(state.name));
  return {};
}

Result<Fd> OpenUnixSocket(const OpenFile& file, FdRestore& restore) {
  const SocketState& state = *file.socket;
  Fd made = restore.TakeWaiting(state.inode);
  if (made) return made;
  if (FindPair(restore, state) != restore.unix_pairs.end()) return OpenPair(file, restore);

  Fd fd(socket(AF_UNIX, state.type | SOCK_CLOEXEC, state.protocol));
  if (!fd) return ErrnoError("can't make a socket");
  TRY(SetSocketOptions(fd.get(), state));
  if (HasName(state.name)) {
    TRY(Bind(fd.get(), state));
  }
  if (state.listening && listen(fd.get(), static_cast<int>(state.backlog)) != 0)
    return ErrnoError("can't listen at {}", PathIn(state.name));
  TRY(RestoreAttachments(fd.get(), state));
  TRY(SetStatusFlags(fd.get(), file));
  return fd;
}

}  // namespace

void FindOutsideSockets(FdCapture& capture, std::span<const OpenFile> files) {
  for (const FdEnds& ends : capture.sockets) {
    const OpenFile* file = FileOf(files, ends.inode);
    if (file == nullptr || file->socket->peer_name.empty()) continue;
    const SocketState& state = *file->socket;
    auto lose = [&](std::string what) {
      capture.losses.push_back(
          {.pid = ends.pid, .fd = ends.number, .kind = "socket", .what = std::move(what)});
    };
    bool queued_from_others = std::ranges::any_of(
        state.queued, [](const QueuedBytes& bytes) { return HasName(bytes.from); });
    if (queued_from_others) lose("who sent the datagrams that wait in it");
    if (state.peer_inode == 0 || FileOf(files, state.peer_inode) != nullptr) continue;
    if (state.type == SOCK_DGRAM && HasName(state.peer_name)) continue;
    lose(
        fmt::format("its other end is outside of the tree (socket {}): it would be cut (--skip-fd "
                    "{} leaves it out)",
                    state.peer_inode, ends.number));
  }
}

Status ConnectUnixDatagrams(const FdRestore& restore) {
  for (size_t i = 0; i < restore.files.size(); ++i) {
    const OpenFile& file = restore.files[i];
    if (file.kind != FileKind::kUnixSocket || restore.options.replaced.contains(i)) continue;
    const SocketState& state = *file.socket;
    if (state.type != SOCK_DGRAM || !HasName(state.peer_name)) continue;
    const OpenFile* peer = FileOf(restore.files, state.peer_inode);
    const std::string& from = peer != nullptr ? peer->socket->directory : state.directory;
    WorkingDirectory there(from);
    if (!there) return ErrnoError("can't go to {}, where a socket was", from);
    if (!ConnectSocket(restore.opened[i].get(), state.peer_name))
      return ErrnoError("can't connect a socket to {}", PathIn(state.peer_name));
  }
  return {};
}

constinit const FdKind kUnixSocketFd = {FileKind::kUnixSocket, "unix socket", IsUnixSocket,
                                        CaptureUnixSocket, OpenUnixSocket};

}  // namespace retake
