#include "snapshot/pager.h"

#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <list>

#include "base/syscall.h"
#include "snapshot/pending_pages.h"
#include "tracee/proc_files.h"
#include "tracee/ptrace.h"

namespace retake {
namespace {

// Less is there sooner than another process is.
constexpr uint64_t kWorthIt = 16 << 20;

constexpr uint64_t kFeatures = UFFD_FEATURE_EVENT_FORK | UFFD_FEATURE_EVENT_REMAP |
                               UFFD_FEATURE_EVENT_REMOVE | UFFD_FEATURE_EVENT_UNMAP;

bool MayComeLater(const MemoryRegion& region, const ProcessState& state) {
  // Memory that a child gets anew, or that has to be there: stacks grow, and are touched at once.
  constexpr uint64_t kNot =
      kGrowsDown | kLocked | kLockedOnFault | kWipeOnFork | kDroppable | kHugeTlb;
  if (region.kind != MemoryKind::kAnonymous || (region.flags & kNot) != 0) return false;
  return std::ranges::none_of(state.guards, [&](const GuardRange& guard) {
    return guard.start < region.start + region.size && region.start < guard.start + guard.size;
  });
}

// The memory of a process, or of a child that it has made.
struct AddressSpace {
  Fd userfaultfd;
  PendingPages pending;
  bool gone = false;
};

class Server {
 public:
  Server(Fd userfaultfd, std::span<const std::span<const PageRange>> pages,
         CheckpointReader& reader)
      : reader_(reader), page_(static_cast<uint64_t>(sysconf(_SC_PAGESIZE))) {
    spaces_.push_back({std::move(userfaultfd), PendingPages(pages)});
  }

  // Until everything is where it belongs.
  Status Serve() {
    while (Clean()) {
      TRY(HandleEvents(0));
      // One piece between any two looks: what is waited for comes first.
      for (AddressSpace& space : spaces_) {
        if (!space.gone && !space.pending.empty()) TRY(Give(space, space.pending.Next()));
      }
    }
    return {};
  }

 private:
  // Whether there is anything left to do.
  bool Clean() {
    spaces_.remove_if(
        [](const AddressSpace& space) { return space.gone || space.pending.empty(); });
    return !spaces_.empty();
  }

  // Puts as much of a range there as goes.
  Status Give(AddressSpace& space, PageRange range) {
    ByteSpan bytes = TRY(reader_.Bytes(range));
    while (range.size > 0) {
      uffdio_copy copy{};
      copy.dst = range.start;
      copy.src = reinterpret_cast<uint64_t>(bytes.data());
      copy.len = range.size;
      int code = ioctl(space.userfaultfd.get(), UFFDIO_COPY, &copy) == 0 ? 0 : errno;
      uint64_t done = copy.copy > 0 ? static_cast<uint64_t>(copy.copy) : 0;
      if (code == 0) done = range.size;
      if (done == 0) {
        switch (code) {
          case EAGAIN:  // it changes its mappings: what it does comes first
            return HandleEvents(0);
          case ESRCH:
            space.gone = true;
            return {};
          case EEXIST:  // whatever is there is newer
            Wake(space, range.start, page_);
            done = page_;
            break;
          case ENOENT:  // not one mapping any more, or none
            if (range.size > page_) return GiveEach(space, range);
            done = page_;
            break;
          default:
            return Error(code, "a restored process's memory can't be put in its place");
        }
      }
      space.pending.Take(range.start, range.start + done);
      range.start += done;
      range.size -= done;
      bytes = bytes.subspan(done);
    }
    return {};
  }

  Status GiveEach(AddressSpace& space, const PageRange& range) {
    for (uint64_t at = range.start; at < range.start + range.size && !space.gone; at += page_) {
      auto found = space.pending.At(at);
      if (!found) continue;
      uint32_t offset = found->offset + static_cast<uint32_t>(at - found->start);
      TRY(Give(space, {at, page_, found->block, offset}));
    }
    return {};
  }

  static void Wake(const AddressSpace& space, uint64_t at, uint64_t size) {
    uffdio_range range{at, size};
    ioctl(space.userfaultfd.get(), UFFDIO_WAKE, &range);
  }

  Status HandleEvents(int milliseconds) {
    std::vector<pollfd> polled;
    std::vector<AddressSpace*> spaces;
    for (AddressSpace& space : spaces_) {
      if (space.gone) continue;
      polled.push_back({space.userfaultfd.get(), POLLIN, 0});
      spaces.push_back(&space);
    }
    if (poll(polled.data(), polled.size(), milliseconds) <= 0) return {};
    for (size_t i = 0; i < polled.size(); ++i) {
      uffd_msg message;
      if ((polled[i].revents & (POLLERR | POLLHUP)) != 0) spaces[i]->gone = true;
      while (!spaces[i]->gone && (polled[i].revents & POLLIN) != 0 &&
             read(polled[i].fd, &message, sizeof message) == sizeof message)
        TRY(Handle(*spaces[i], message));
    }
    return {};
  }

  Status Handle(AddressSpace& space, const uffd_msg& message) {
    switch (message.event) {
      case UFFD_EVENT_PAGEFAULT:
        return ServeFault(space, message.arg.pagefault.address / page_ * page_);
      case UFFD_EVENT_FORK: {
        AddressSpace& child = spaces_.emplace_back();
        child.userfaultfd.Reset(static_cast<int>(message.arg.fork.ufd));
        child.pending = space.pending;
        return {};
      }
      case UFFD_EVENT_REMAP: {
        const auto& moved = message.arg.remap;
        for (PageRange range : space.pending.Take(moved.from, moved.from + moved.len)) {
          range.start += moved.to - moved.from;
          space.pending.Put(range);
        }
        return {};
      }
      case UFFD_EVENT_REMOVE:
      case UFFD_EVENT_UNMAP: {
        const auto& removed = message.arg.remove;
        space.pending.Take(removed.start, removed.end);
        // Who waited for something there finds it anew.
        Wake(space, removed.start, removed.end - removed.start);
        return {};
      }
      default:
        return MakeError("the kernel tells of an unknown event {:#x}", message.event);
    }
  }

  Status ServeFault(AddressSpace& space, uint64_t at) {
    if (auto range = space.pending.At(at)) return Give(space, *range);
    // Nothing was there.
    uffdio_zeropage zero{};
    zero.range = {at, page_};
    if (ioctl(space.userfaultfd.get(), UFFDIO_ZEROPAGE, &zero) != 0) {
      if (errno == ESRCH) space.gone = true;
      Wake(space, at, page_);
    }
    return {};
  }

  CheckpointReader& reader_;
  const uint64_t page_;
  std::list<AddressSpace> spaces_;
};

// --- The two processes ---

// It and all that it has started.
void KillTree(pid_t pid) {
  for (pid_t tid : TasksOf(pid)) {
    for (pid_t child : ChildrenOf(pid, tid)) KillTree(child);
  }
  kill(pid, SIGKILL);
}

[[noreturn]] void ServeAndExit(Server& server) {
  Status served = server.Serve();
  if (!served.ok())
    (void)!dprintf(STDERR_FILENO, "retake: failed: %s\n", served.error().Message().c_str());
  _exit(served.ok() ? 0 : 1);
}

[[noreturn]] void Watch(pid_t server, int lifeline, pid_t pid) {
  constexpr int kLook = 20;  // ms
  pollfd poller{lifeline, POLLIN, 0};
  auto ended = ptracer::WaitOne(server, 0);
  while (ended.ok() && !ended->has_value() && poll(&poller, 1, kLook) == 0)
    ended = ptracer::WaitOne(server, 0);
  char byte = 0;
  bool is_there = ended.ok() && !ended->has_value();
  if (is_there && read(lifeline, &byte, 1) != 1) {
    ptracer::KillAndReap(server);
    _exit(0);
  }
  if (is_there) ended = ptracer::WaitOne(server, -1);
  if (ended.ok() && ended->has_value() && (*ended)->raw() == 0) _exit(0);
  KillTree(pid);
  (void)!dprintf(STDERR_FILENO,
                 "retake: failed: not all of the memory of pid %d was there yet, and the process "
                 "that brought it has ended: killed\n",
                 pid);
  _exit(1);
}

}  // namespace

LazyMemory ChooseLazyMemory(const ProcessState& state, std::vector<PageRange>& at_once) {
  LazyMemory lazy;
  uint64_t bytes = 0;
  std::span<const PageRange> ranges = state.pages;
  for (const MemoryRegion& region : state.memory) {
    uint64_t end = region.start + region.size;
    auto within = std::ranges::find_if(
        ranges, [&](const PageRange& range) { return range.start + range.size > end; });
    auto count = static_cast<size_t>(within - ranges.begin());
    std::span<const PageRange> own = ranges.first(count);
    ranges = ranges.subspan(count);
    if (own.empty()) continue;
    if (own[0].start < region.start || !MayComeLater(region, state)) {
      at_once.insert(at_once.end(), own.begin(), own.end());
      continue;
    }
    size_t runs = lazy.pages.size();
    for (size_t i = 0; i < own.size();) {
      // Where nothing is, zeros are.
      size_t first = i;
      for (; i < own.size() && own[i].block != kZeroBlock; ++i) bytes += own[i].size;
      if (i > first) lazy.pages.push_back(own.subspan(first, i - first));
      while (i < own.size() && own[i].block == kZeroBlock) ++i;
    }
    if (lazy.pages.size() > runs) lazy.regions.push_back(&region);
  }
  at_once.insert(at_once.end(), ranges.begin(), ranges.end());
  if (bytes >= kWorthIt) return lazy;
  at_once = state.pages;
  return {};
}

bool Pager::MayServe(const Fd& userfaultfd) {
  uffdio_api api{.api = UFFD_API, .features = kFeatures};
  return ioctl(userfaultfd.get(), UFFDIO_API, &api) == 0;
}

Result<Pager> Pager::Start(Fd userfaultfd, LazyMemory memory, CheckpointReader& reader, pid_t pid,
                           bool speaks) {
  for (const MemoryRegion* region : memory.regions) {
    uffdio_register wanted{};
    wanted.range = {region->start, region->size};
    wanted.mode = UFFDIO_REGISTER_MODE_MISSING;
    if (ioctl(userfaultfd.get(), UFFDIO_REGISTER, &wanted) != 0)
      return ErrnoError("can't serve what is missing in its memory at {:#x}", region->start);
  }
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return ErrnoError("can't make a pipe");
  Fd ours(ends[1]), theirs(ends[0]);
  pid_t child = fork();
  if (child < 0) return ErrnoError("can't fork");
  if (child == 0) {
    KeepOnly({speaks ? STDERR_FILENO : -1, theirs.get(), userfaultfd.get(), reader.fd()});
    // Signals for the command aren't for it.
    for (int signal : {SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGPIPE}) ::signal(signal, SIG_IGN);
    int lifeline = theirs.get();
    Server server(std::move(userfaultfd), memory.pages, reader);
    pid_t serving = Clone(CLONE_FILES | SIGCHLD);
    if (serving == 0) ServeAndExit(server);
    if (serving < 0) _exit(1);
    Watch(serving, lifeline, pid);
  }
  Pager pager;
  pager.lifeline_ = std::move(ours);
  return pager;
}

void Pager::Commit() {
  char byte = 0;
  (void)!write(lifeline_.get(), &byte, 1);
  lifeline_.Reset();
}

}  // namespace retake
