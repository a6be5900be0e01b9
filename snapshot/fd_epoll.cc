// epoll instances and what they watch. The interest list is made again by the process that holds
// it: an entry is known by the descriptor's number there (HolderCalls).
#include <fcntl.h>
#include <linux/kcmp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <cinttypes>
#include <cstdio>

#include "base/features.h"
#include "base/syscall.h"
#include "snapshot/fd_kind.h"

namespace retake {
namespace {

bool IsEpoll(const FdSubject& subject) { return subject.link == "anon_inode:[eventpoll]"; }

// <linux/kcmp.h>: struct kcmp_epoll_slot.
struct EpollSlot {
  uint32_t epoll, target, offset;
};

// Whether number `target` of the process is the file that the epoll instance watches by that
// number: it may have been closed, and the number given to another, while a duplicate lives on.
bool StillWatches(const FdSubject& subject, uint32_t target, uint64_t inode) {
  EpollSlot slot{static_cast<uint32_t>(subject.number), target, 0};
  int order =
      Kcmp(subject.pid, subject.pid, KCMP_EPOLL_TFD, target, reinterpret_cast<uint64_t>(&slot));
  if (order >= 0) return order == 0;
  // Where that isn't allowed, the file is at least the same.
  struct stat status {};
  std::string path = fmt::format("/proc/{}/fd/{}", subject.pid, target);
  return stat(path.c_str(), &status) == 0 && status.st_ino == inode;
}

// EPOLLONESHOT that has fired: nothing is reported until it is armed again. A restored one fires
// once for nobody, and so there must be something to report.
bool CanFireAgain(const FdSubject& subject, int target) {
  pollfd asked{-1, POLLIN | POLLOUT | POLLPRI | POLLRDHUP, 0};
  Fd pidfd(PidfdOpen(subject.pid));
  Fd copy(MayUse(Feature::kPidfdGetfd) ? PidfdGetfd(pidfd.get(), target) : -1);
  asked.fd = copy.get();
  return copy && poll(&asked, 1, 0) == 1;
}

// "tfd:        5 events:       19 data:     deadbeef  pos:0 ino:1a sdev:8"
Result<bool> CaptureEpoll(const FdSubject& subject, FdCapture& capture, OpenFile& out) {
  EpollState state;
  size_t at = 0;
  while ((at = subject.info.find("tfd:", at)) != std::string::npos) {
    EpollEntry entry;
    uint64_t inode = 0;
    int read = sscanf(subject.info.c_str() + at,
                      "tfd: %" SCNd32 " events: %" SCNx32 " data: %" SCNx64 " pos:%*d ino:%" SCNx64,
                      &entry.number, &entry.events, &entry.data, &inode);
    // The inode is told from Linux 4.14 on.
    if (read < 3) return MakeError("can't read what an epoll instance watches");
    at += 4;
    if (entry.has_fired() && !CanFireAgain(subject, entry.number)) {
      capture.Lose(subject, fmt::format("that it reports descriptor {} no more until it is armed "
                                        "again (EPOLLONESHOT): it would report an error or a "
                                        "hang-up of it",
                                        entry.number));
    }
    if (StillWatches(subject, static_cast<uint32_t>(entry.number), inode)) {
      state.entries.push_back(entry);
    } else {
      capture.Lose(subject, fmt::format("it watches descriptor {}, which has been closed here, and "
                                        "wouldn't any more",
                                        entry.number));
    }
  }
  // Latest first in fdinfo; added again in an order of their own.
  std::ranges::sort(state.entries, {}, &EpollEntry::number);
  out.epoll = std::move(state);
  return true;
}

Result<Fd> OpenEpoll(const OpenFile&, FdRestore&) {
  Fd fd(epoll_create1(EPOLL_CLOEXEC));
  if (!fd) return ErrnoError("can't make an epoll instance");
  return fd;
}

}  // namespace

constinit const FdKind kEpollFd = {FileKind::kEpoll, "epoll", IsEpoll, CaptureEpoll, OpenEpoll};

}  // namespace retake
