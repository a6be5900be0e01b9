#include "snapshot/descriptors.h"

#include <fcntl.h>
#include <linux/kcmp.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <memory>

#include "base/features.h"
#include "base/syscall.h"
#include "snapshot/fd_kind.h"
#include "snapshot/io_signals.h"
#include "tracee/remote_calls.h"

namespace retake {
namespace {

constexpr const FdKind* kKinds[] = {
    &kRegularFd,       &kDirectoryFd,      &kDeviceFd,   &kNamelessFd, &kPipeFd,
    &kEventFdFd,       &kTimerFdFd,        &kSignalFdFd, &kEpollFd,    &kUnixSocketFd,
    &kTcpConnectionFd, &kInternetSocketFd, &kInotifyFd,  &kTerminalFd, &kPidfdFd,
};

// Another descriptor of the same description.
Fd CopyOf(int pidfd, int number) {
  if (!MayUse(Feature::kPidfdGetfd)) return Fd();
  return Fd(PidfdGetfd(pidfd, number));
}

}  // namespace

class DescriptorCapture::Work {
 public:
  Work(const DescriptorCaptureOptions& options, SharedObjects& objects,
       std::vector<OpenFile>& files, Losses& losses)
      : options_(options), files_(files), capture_{objects, losses, {}, {}, {}, {}, {}, {}, {}} {}

  Result<std::vector<DescriptorTable>> Tables(std::span<const pid_t> pids,
                                              std::span<const pid_t> zombies) {
    pids_.assign(pids.begin(), pids.end());
    zombies_.assign(zombies.begin(), zombies.end());
    capture_.pids = pids_;
    capture_.zombies = zombies_;
    std::vector<DescriptorTable> tables;
    for (size_t i = 0; i < pids.size(); ++i) {
      tables.push_back(TRY(Table(pids[i])));
      for (size_t other = 0; other < i; ++other) {
        if (Kcmp(pids[i], pids[other], KCMP_FILES, 0, 0) != 0) continue;
        capture_.losses.push_back(
            {.pid = pids[i],
             .kind = "descriptors",
             .what = fmt::format("its table of descriptors is shared with pid {}: each would get "
                                 "its own",
                                 pids[other])});
        break;
      }
    }
    TRY(PairConnections(capture_, files_, options_.outside));
    return tables;
  }

  void FindOutside() {
    FindOutsidePipes(capture_);
    FindOutsideSockets(capture_, files_);
    FindOutsideTerminals(files_);
  }

  void ResetConnections() { retake::ResetConnections(capture_, files_); }
  void LeaveConnections() {
    capture_.held.Keep();
    capture_.connections.clear();
  }
  void LetConnectionsGo() { capture_.held.LetGo(); }

 private:
  Result<DescriptorTable> Table(pid_t pid) {
    DescriptorTable table;
    Fd pidfd(PidfdOpen(pid));
    for (int number : DescriptorsOf(pid)) {
      if (options_.skipped.contains(number)) continue;
      FdSubject subject{.pid = pid, .number = number};
      subject.link = ReadProcLink(pid, fmt::format("fd/{}", number));
      subject.info = TRY(ReadProcFile(pid, fmt::format("fdinfo/{}", number)));
      if (stat(fmt::format("/proc/{}/fd/{}", pid, number).c_str(), &subject.status) != 0)
        subject.status = {};
      Descriptor descriptor{.number = number};
      auto flags = static_cast<uint32_t>(subject.InfoNumber("flags", 8));
      descriptor.close_on_exec = (flags & O_CLOEXEC) != 0;
      FileLocks locks = TRY(ParseFileLocks(subject.info));
      descriptor.record_locks = locks.process;
      auto known = TRY(FindKnown(subject));
      if (!known) {
        Fd copy = CopyOf(pidfd.get(), number);
        if (copy) subject.copy = &copy;
        known = TRY(Keep(subject, flags, locks));
      }
      if (!*known) continue;
      descriptor.file = **known;
      table.descriptors.push_back(descriptor);
    }
    return table;
  }

  struct Holder {
    pid_t pid;
    int number;
    std::optional<uint32_t> file;  // nullopt: it isn't kept
  };
  using Key = std::tuple<uint64_t, uint64_t, std::string>;

  static Key KeyOf(const FdSubject& subject) {
    return {subject.status.st_dev, subject.status.st_ino, subject.link};
  }

  // The file of a descriptor seen before that shares its description.
  Result<std::optional<std::optional<uint32_t>>> FindKnown(const FdSubject& subject) {
    std::optional<std::optional<uint32_t>> found;
    for (const Holder& holder : holders_[KeyOf(subject)]) {
      int order = Kcmp(subject.pid, holder.pid, KCMP_FILE, static_cast<uint64_t>(subject.number),
                       static_cast<uint64_t>(holder.number));
      bool one = order == 0;
      if (order < 0 && options_.sharing != nullptr)
        one = TRY(options_.sharing->AreOne(subject.pid, subject.number, holder.pid, holder.number));
      if (!one) continue;
      found = holder.file;
      break;
    }
    return found;
  }

  Result<std::optional<uint32_t>> Keep(const FdSubject& subject, uint32_t flags,
                                       const FileLocks& locks) {
    std::optional<uint32_t> index;
    OpenFile file;
    file.flags = flags & ~static_cast<uint32_t>(O_CLOEXEC);
    file.offset = static_cast<int64_t>(subject.InfoNumber("pos", 10));
    auto kind = std::ranges::find_if(kKinds, [&](const FdKind* k) { return k->matches(subject); });
    if (kind == std::end(kKinds)) {
      capture_.losses.push_back(
          {.pid = subject.pid,
           .fd = subject.number,
           .kind = subject.link,
           .what = fmt::format("retake can't keep descriptors of that kind (--skip-fd {} leaves it "
                               "out)",
                               subject.number)});
    } else {
      file.kind = (*kind)->kind;
      file.lock = locks.flock;
      file.range_locks = locks.description;
      for (const std::string& lock : locks.unkeepable)
        capture_.Lose(subject, fmt::format("a lock on it isn't kept ({})", lock));
      CaptureIoSignals(subject, locks, capture_, file);
      if (TRY((*kind)->capture(subject, capture_, file))) {
        index = static_cast<uint32_t>(files_.size());
        files_.push_back(std::move(file));
      }
    }
    holders_[KeyOf(subject)].push_back({subject.pid, subject.number, index});
    return index;
  }

  const DescriptorCaptureOptions options_;
  std::vector<OpenFile>& files_;
  FdCapture capture_;
  std::map<Key, std::vector<Holder>> holders_;
  std::vector<pid_t> pids_;
  std::vector<pid_t> zombies_;
};

DescriptorCapture::DescriptorCapture(const DescriptorCaptureOptions& options,
                                     SharedObjects& objects, std::vector<OpenFile>& files,
                                     Losses& losses)
    : work_(std::make_unique<Work>(options, objects, files, losses)) {}

DescriptorCapture::~DescriptorCapture() = default;

Result<std::vector<DescriptorTable>> DescriptorCapture::Tables(std::span<const pid_t> pids,
                                                               std::span<const pid_t> zombies) {
  return work_->Tables(pids, zombies);
}

void DescriptorCapture::ResetConnections() { work_->ResetConnections(); }

void DescriptorCapture::LeaveConnections() { work_->LeaveConnections(); }

void DescriptorCapture::LetConnectionsGo() { work_->LetConnectionsGo(); }

void DescriptorCapture::FindOutside() { work_->FindOutside(); }

namespace {

const FdKind* KindOf(FileKind kind) {
  auto found = std::ranges::find(kKinds, kind, &FdKind::kind);
  return found == std::end(kKinds) ? nullptr : *found;
}

}  // namespace

std::string_view FdSubject::Info(std::string_view name) const {
  std::string_view text = info;
  while (!text.empty()) {
    size_t size = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, size);
    text.remove_prefix(std::min(size + 1, text.size()));
    if (!line.starts_with(name) || line.size() <= name.size() || line[name.size()] != ':') continue;
    line.remove_prefix(name.size() + 1);
    size_t start = line.find_first_not_of(" \t");
    return start == std::string_view::npos ? std::string_view() : line.substr(start);
  }
  return {};
}

uint64_t FdSubject::InfoNumber(std::string_view name, int base) const {
  std::string_view value = Info(name);
  if (base == 16 && value.starts_with("0x")) value.remove_prefix(2);
  uint64_t parsed = 0;
  std::from_chars(value.data(), value.data() + value.size(), parsed, base);
  return parsed;
}

void FdCapture::Lose(const FdSubject& subject, std::string what, LossNature nature) {
  losses.push_back({.pid = subject.pid,
                    .fd = subject.number,
                    .kind = subject.link,
                    .what = std::move(what),
                    .nature = nature});
}

Fd FdRestore::TakeWaiting(uint64_t inode) {
  auto found = waiting.find(inode);
  if (found == waiting.end()) return Fd();
  Fd end = std::move(found->second);
  waiting.erase(found);
  return end;
}

std::string FdRestore::PathOf(const NamedFile& file) const {
  return options.relative_to.empty() ? file.path : options.relative_to + "/" + file.path;
}

int ReopenFlags(const OpenFile& file) {
  return static_cast<int>(file.flags) & ~(O_CREAT | O_EXCL | O_TRUNC | O_NOCTTY | O_CLOEXEC);
}

Status SetStatusFlags(int fd, const OpenFile& file) {
  constexpr uint32_t kSettable = O_APPEND | O_NONBLOCK | O_DIRECT | O_NOATIME;
  if (fcntl(fd, F_SETFL, file.flags & kSettable) != 0)
    return ErrnoError("can't set a descriptor's flags to {:#o}", file.flags);
  return {};
}

namespace {

Result<Fd> OpenReplacement(const OpenFile& file, const std::string& path, int lowest) {
  int access = static_cast<int>(file.flags & (O_ACCMODE | O_APPEND));
  Fd opened(open(path.c_str(),
                 access | O_CLOEXEC | ((access & O_ACCMODE) != O_RDONLY ? O_CREAT : 0), 0666));
  if (!opened) return ErrnoError("can't open {}, given by --replace-fd", path);
  return HoldHigh(opened, lowest);
}

// What is locked for the description; for a process, its HolderCalls do it.
Status LockAgain(int fd, const OpenFile& file) {
  bool locked = file.lock == 0 || flock(fd, static_cast<int>(file.lock) | LOCK_NB) == 0;
  for (const RangeLock& lock : file.range_locks) {
    struct flock range = ToFlock(lock);
    locked = locked && fcntl(fd, F_OFD_SETLK, &range) == 0;
  }
  if (locked) return {};
  return ErrnoError("can't lock {} as it was", file.named ? file.named->path : "a file");
}

}  // namespace

Result<Fd> HoldHigh(const Fd& file, int lowest) {
  Fd high(fcntl(file.get(), F_DUPFD_CLOEXEC, lowest));
  if (!high) return ErrnoError("can't hold a file open at {} or above", lowest);
  return high;
}

// In which turn a description is opened: connections before sockets that listen, but for those that
// wait at one.
constexpr int kTurns = 3;
int TurnOf(const OpenFile& file) {
  if (file.kind != FileKind::kTcpConnection) return 1;
  return file.socket->other_end == OtherEnd::kNotAccepted ? 2 : 0;
}

Result<Fd> OpenOne(std::span<const OpenFile> files, size_t index, FdRestore& restore) {
  const OpenFile& file = files[index];
  int lowest = restore.options.lowest;
  auto replaced = restore.options.replaced.find(static_cast<uint32_t>(index));
  if (replaced != restore.options.replaced.end())
    return OpenReplacement(file, replaced->second, lowest);
  const FdKind* kind = KindOf(file.kind);
  if (kind == nullptr)
    return MakeError("the checkpoint holds a descriptor of a kind that this retake doesn't know");
  Fd opened = TRY(kind->open(file, restore));
  TRY(LockAgain(opened.get(), file));
  return HoldHigh(opened, lowest);
}

Result<std::vector<Fd>> OpenFiles(std::span<const OpenFile> files,
                                  const DescriptorRestoreOptions& options) {
  FdRestore restore{.files = files, .options = options, .opened = {}};
  restore.opened.resize(files.size());
  restore.unix_pairs = TRY(MakeUnixPairs(files, options.same_pids));
  for (int turn = 0; turn < kTurns; ++turn) {
    for (size_t i = 0; i < files.size(); ++i) {
      if (TurnOf(files[i]) == turn) restore.opened[i] = TRY(OpenOne(files, i, restore));
    }
  }
  TRY(CompleteConnections(restore));
  TRY(ConnectUnixDatagrams(restore));
  TRY(CompleteTerminals(restore));
  return std::move(restore.opened);
}

namespace {

void WatchAgain(const Descriptor& descriptor, const EpollState& epoll, uint64_t scratch,
                std::vector<HolderCall>& calls) {
  constexpr uint64_t kEpollCtlAdd = 1;
  auto add = [&](const EpollEntry& entry, uint32_t events) {
    // struct epoll_event: the data right behind the events where it is packed, else aligned.
    std::vector<uint8_t> bytes(HostArch().abi.epoll_event_size);
    memcpy(bytes.data(), &events, sizeof events);
    memcpy(bytes.data() + bytes.size() - sizeof entry.data, &entry.data, sizeof entry.data);
    calls.push_back(
        {.call = MakeCall(Sys::epoll_ctl, static_cast<uint64_t>(descriptor.number), kEpollCtlAdd,
                          static_cast<uint64_t>(entry.number), scratch),
         .bytes = std::move(bytes),
         .purpose = fmt::format("have descriptor {} watch {}", descriptor.number, entry.number),
         // By another number of the same description.
         .tolerated = EEXIST});
  };
  // Those that have fired do so once more, as long as there is nothing else to report.
  uint64_t fired = 0;
  for (const EpollEntry& entry : epoll.entries) {
    if (!entry.has_fired()) continue;
    add(entry, entry.events | EPOLLIN | EPOLLOUT | EPOLLPRI | EPOLLRDHUP);
    ++fired;
  }
  uint64_t room = kStubScratchSize / HostArch().abi.epoll_event_size;
  for (uint64_t taken = 0; taken < fired; taken += room) {
    calls.push_back(
        {.call = MakeCall(Sys::epoll_pwait, static_cast<uint64_t>(descriptor.number), scratch,
                          std::min(room, fired - taken), 0, 0, sizeof(uint64_t)),
         .purpose = fmt::format("have descriptor {} report what it had", descriptor.number)});
  }
  for (const EpollEntry& entry : epoll.entries) {
    if (!entry.has_fired()) add(entry, entry.events);
  }
}

}  // namespace

std::vector<HolderCall> HolderCalls(const DescriptorTable& table, std::span<const OpenFile> files,
                                    const std::function<bool(uint32_t file)>& is_first,
                                    uint64_t scratch) {
  std::vector<HolderCall> calls;
  for (const Descriptor& descriptor : table.descriptors) {
    const OpenFile& file = files[descriptor.file];
    // What it watches was seen from its first holder; others may have closed some of that.
    if (file.epoll && is_first(descriptor.file))
      WatchAgain(descriptor, *file.epoll, scratch, calls);
    for (const RangeLock& lock : descriptor.record_locks) {
      struct flock range = ToFlock(lock);
      ByteSpan bytes(reinterpret_cast<const uint8_t*>(&range), sizeof range);
      calls.push_back(
          {.call = MakeCall(Sys::fcntl, static_cast<uint64_t>(descriptor.number), F_SETLK, scratch),
           .bytes = {bytes.begin(), bytes.end()},
           .purpose = fmt::format("lock {} as it was, by descriptor {}",
                                  file.named ? file.named->path : "a file", descriptor.number)});
    }
  }
  return calls;
}

}  // namespace retake
