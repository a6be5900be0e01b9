#include "snapshot/unix_connections.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <functional>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "base/syscall.h"
#include "snapshot/socket_state.h"
#include "snapshot/unix_address.h"
#include "tracee/ptrace.h"

namespace retake {
namespace {

constexpr int kBound = 10'000;  // ms

// One to be made. Which end accepts makes no difference but for names: the one that has one.
struct Plan {
  const SocketState* accepts = nullptr;
  const SocketState* connects = nullptr;  // either may be null: it is gone
  Fd listening, accepted, connecting;
  Fd directory;  // where their names are

  const SocketState& any() const { return accepts != nullptr ? *accepts : *connects; }
  // Each end says who was at the other.
  PeerCredentials listener() const { return connects != nullptr ? connects->peer : accepts->peer; }
  PeerCredentials connector() const { return accepts != nullptr ? accepts->peer : connects->peer; }
  const std::vector<uint8_t>& accepted_name() const {
    return accepts != nullptr ? accepts->name : connects->peer_name;
  }
  const std::vector<uint8_t>& connecting_name() const {
    return connects != nullptr ? connects->name : accepts->peer_name;
  }
  bool is_named = false;
};

// Sockets of datagrams that have names are connected by those, and each by itself.
bool IsConnected(const SocketState& socket) {
  if (socket.listening || socket.peer_name.empty()) return false;
  return socket.type != SOCK_DGRAM || (!HasName(socket.peer_name) && !HasName(socket.name));
}

std::vector<Plan> PlansFor(std::span<const OpenFile> files) {
  std::vector<Plan> plans;
  std::map<uint64_t, const SocketState*> open;
  for (const OpenFile& file : files) {
    bool counts = file.kind == FileKind::kUnixSocket && IsConnected(*file.socket);
    if (counts) open[file.socket->inode] = &*file.socket;
  }
  while (!open.empty()) {
    const SocketState* first = open.begin()->second;
    open.erase(open.begin());
    const SocketState* second = nullptr;
    auto peer = open.find(first->peer_inode);
    if (peer != open.end()) {
      second = peer->second;
      open.erase(peer);
    }
    bool accepts = HasName(first->name);
    plans.emplace_back();
    plans.back().accepts = accepts ? first : second;
    plans.back().connects = accepts ? second : first;
    plans.back().is_named = HasName(plans.back().accepted_name());
  }
  return plans;
}

// --- Processes with a pid of old ---

// While it lives, what is done is done as that user, if we may.
class ActAs {
 public:
  explicit ActAs(const PeerCredentials& peer) : uid_(geteuid()), gid_(getegid()) {
    if (gid_ != peer.gid) (void)!setegid(peer.gid);
    if (uid_ != peer.uid) (void)!seteuid(peer.uid);
  }
  ActAs(const ActAs&) = delete;
  ActAs& operator=(const ActAs&) = delete;
  ~ActAs() {
    (void)!seteuid(uid_);
    (void)!setegid(gid_);
  }

 private:
  uid_t uid_;
  gid_t gid_;
};

pid_t ForkSharingFiles(pid_t pid) {
  // Where somebody else has it there is no way.
  pid_t child = ForkAs(pid, CLONE_FILES);
  return child >= 0 ? child : ForkAs(0, CLONE_FILES);
}

// Runs `work` in a process that shares our descriptors and nothing else.
Status RunAs(pid_t pid, const std::function<bool()>& work) {
  pid_t child = ForkSharingFiles(pid);
  if (child < 0) return ErrnoError("can't start a process that connects sockets");
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    _exit(work() ? 0 : 1);
  }
  auto ended = ptracer::WaitOne(child, kBound);
  if (ended.ok() && !ended->has_value()) kill(child, SIGKILL);
  if (!ended.ok() || !ended->has_value() || (*ended)->raw() != 0)
    return MakeError("can't connect sockets as process {}", child);
  return {};
}

// A number of a descriptor, for a process that shares them to put something there.
Result<Fd> HoldNumber() {
  Fd held(open("/", O_PATH | O_CLOEXEC));
  if (!held) return ErrnoError("can't open /");
  return held;
}

// --- Names ---

// A place for paths, shown by one descriptor: nobody else sees it, and it goes with that. Invalid
// where that may not be had.
Result<Fd> NewFileSystem() {
  Fd root = TRY(HoldNumber());
  int number = root.get();
  Status made = RunAs(0, [number] {
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0)
      return false;
    if (mount("none", "/tmp", "tmpfs", 0, "mode=0777") != 0) return false;
    int place = open("/tmp", O_RDONLY | O_DIRECTORY);
    return place >= 0 && dup3(place, number, O_CLOEXEC) == number && close(place) == 0;
  });
  if (!made.ok()) return Fd();
  return root;
}

// The directories that lead to a socket of that name.
void MakeWay(int directory, const std::vector<uint8_t>& name) {
  std::string path = PathIn(name);
  size_t begin = path.find_first_not_of('/');
  if (begin == std::string::npos) return;
  path.erase(0, begin);
  for (size_t at = path.find('/'); at != std::string::npos; at = path.find('/', at + 1)) {
    path[at] = 0;
    mkdirat(directory, path.c_str(), 0777);
    path[at] = '/';
  }
}

bool EnterPlace(const Plan& plan) {
  return !plan.directory || (fchdir(plan.directory.get()) == 0 && chroot(".") == 0);
}

bool BindTo(const Fd& fd, const std::vector<uint8_t>& name) {
  return !HasName(name) || BindSocket(fd.get(), name);
}

struct ByPeer {
  bool operator()(const PeerCredentials& a, const PeerCredentials& b) const {
    return std::tie(a.pid, a.uid, a.gid) < std::tie(b.pid, b.uid, b.gid);
  }
};

class Maker {
 public:
  Maker(std::vector<Plan> plans, bool same_pids)
      : plans_(std::move(plans)), same_pids_(same_pids) {}

  Result<std::map<uint64_t, UnixPair>> Make() {
    TRY(MakePlaces());
    for (Plan& plan : plans_) {
      if (!plan.is_named) continue;
      plan.listening.Reset(socket(AF_UNIX, plan.any().type | SOCK_CLOEXEC, 0));
      plan.connecting.Reset(socket(AF_UNIX, plan.any().type | SOCK_CLOEXEC, 0));
      if (!plan.listening || !plan.connecting) return ErrnoError("can't make a socket");
    }
    TRY(ForEach(&Plan::listener, [](Plan& plan) {
      if (!plan.is_named) return MakePair(plan);
      return BindTo(plan.listening, plan.accepted_name()) && listen(plan.listening.get(), 1) == 0;
    }));
    TRY(ForEach(&Plan::connector, [](Plan& plan) {
      const std::vector<uint8_t>& name = plan.accepted_name();
      return !plan.is_named || (BindTo(plan.connecting, plan.connecting_name()) &&
                                ConnectSocket(plan.connecting.get(), name));
    }));
    std::map<uint64_t, UnixPair> made;
    for (Plan& plan : plans_) {
      if (plan.is_named) {
        pollfd poller{plan.listening.get(), POLLIN, 0};
        if (poll(&poller, 1, kBound) == 1)
          plan.accepted.Reset(accept4(plan.listening.get(), nullptr, nullptr, SOCK_CLOEXEC));
      }
      if (!plan.accepted) return ErrnoError("can't connect a socket as it was");
      if (plan.accepts != nullptr)
        made[plan.accepts->inode] = {std::move(plan.accepted), std::move(plan.connecting)};
      else
        made[plan.connects->inode] = {std::move(plan.connecting), std::move(plan.accepted)};
    }
    return made;
  }

 private:
  // Both from the same call, in whose process they get the numbers that are held for them.
  static bool MakePair(Plan& plan) {
    int ends[2];
    if (socketpair(AF_UNIX, plan.any().type | SOCK_CLOEXEC, 0, ends) != 0) return false;
    return dup3(ends[0], plan.accepted.get(), O_CLOEXEC) >= 0 &&
           dup3(ends[1], plan.connecting.get(), O_CLOEXEC) >= 0 && close(ends[0]) == 0 &&
           close(ends[1]) == 0;
  }

  // Anybody may bind there.
  Status MakePlaces() {
    mode_t before = umask(0);
    Status made = MakePlacesOpenly();
    umask(before);
    return made;
  }

  Status MakePlacesOpenly() {
    for (Plan& plan : plans_) {
      if (!PathIn(plan.accepted_name()).empty() || !PathIn(plan.connecting_name()).empty()) {
        TRY(MakePlace(plan));
        plan.is_named = static_cast<bool>(plan.directory);
      }
      if (!plan.is_named) {
        plan.accepted = TRY(HoldNumber());
        plan.connecting = TRY(HoldNumber());
      }
    }
    return {};
  }

  // Each has its own, since many may have one name: the listening socket's.
  Status MakePlace(Plan& plan) {
    if (!root_) root_ = TRY(NewFileSystem());
    std::string name = std::to_string(&plan - plans_.data());
    if (!*root_ || mkdirat(root_->get(), name.c_str(), 0777) != 0) return {};
    plan.directory.Reset(openat(root_->get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!plan.directory) return {};
    MakeWay(plan.directory.get(), plan.accepted_name());
    MakeWay(plan.directory.get(), plan.connecting_name());
    return {};
  }

  // Has each process that did it then do its part now.
  Status ForEach(PeerCredentials (Plan::*who)() const, bool (*part)(Plan& plan)) {
    std::map<PeerCredentials, std::vector<Plan*>, ByPeer> parts;
    for (Plan& plan : plans_) parts[(plan.*who)()].push_back(&plan);
    for (const auto& one : parts) {
      const PeerCredentials& peer = one.first;
      const std::vector<Plan*>& theirs = one.second;
      TRY(RunAs(same_pids_ ? peer.pid : 0, [&peer, &theirs, part] {
        return std::ranges::all_of(theirs, [&peer, part](Plan* plan) {
          if (!EnterPlace(*plan)) return false;
          ActAs user(peer);
          return part(*plan);
        });
      }));
    }
    return {};
  }

  std::vector<Plan> plans_;
  bool same_pids_;
  std::optional<Fd> root_;  // invalid: there can't be one
};

}  // namespace

Result<std::map<uint64_t, UnixPair>> MakeUnixPairs(std::span<const OpenFile> files,
                                                   bool same_pids) {
  std::vector<Plan> plans = PlansFor(files);
  if (plans.empty()) return std::map<uint64_t, UnixPair>();
  return Maker(std::move(plans), same_pids).Make();
}

}  // namespace retake
