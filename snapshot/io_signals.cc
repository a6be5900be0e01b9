#include "snapshot/io_signals.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>

namespace retake {
namespace {

constexpr const char* kOwners[] = {"task", "process", "process group"};  // by F_OWNER_*

// In the tree, as far as the pids of its processes tell; a task's is looked for when restored.
bool IsOfTree(const FdCapture& capture, const f_owner_ex& owner) {
  if (std::ranges::find(capture.pids, owner.pid) != capture.pids.end()) return true;
  return owner.type == F_OWNER_TID && std::ranges::any_of(capture.pids, [&](pid_t pid) {
           return ProcStat::ReadTask(pid, owner.pid).ok();
         });
}

}  // namespace

void CaptureIoSignals(const FdSubject& subject, const FileLocks& locks, FdCapture& capture,
                      OpenFile& out) {
  bool causes_some = (out.flags & O_ASYNC) != 0 || locks.lease != 0;
  if ((out.flags & O_PATH) != 0) return;
  f_owner_ex owner{};
  if (subject.copy == nullptr || fcntl(subject.copy->get(), F_GETOWN_EX, &owner) != 0) {
    if (causes_some)
      capture.Lose(subject, "it signals somebody, and whom can't be asked here (pidfd_getfd)");
    return;
  }
  IoSignals signals{.signal = fcntl(subject.copy->get(), F_GETSIG), .lease = locks.lease};
  if (owner.pid != 0) {
    if (S_ISDIR(subject.status.st_mode)) {
      capture.Lose(subject, "it may be watched by F_NOTIFY, which isn't kept",
                   LossNature::kPossible);
      return;
    }
    if (!IsOfTree(capture, owner)) {
      capture.Lose(subject, fmt::format("its signals go to {} {}, which is not in the checkpoint",
                                        kOwners[owner.type], owner.pid));
      return;
    }
    signals.owner_type = owner.type;
    signals.owner = owner.pid;
  }
  if (signals.owner != 0 || signals.signal != 0 || causes_some) out.signals_of = signals;
}

Status RestoreIoSignals(int fd, const OpenFile& file, const PresentId& present) {
  if (!file.signals_of) return {};
  const IoSignals& signals = *file.signals_of;
  if (signals.owner != 0) {
    f_owner_ex owner{.type = static_cast<__pid_type>(signals.owner_type),
                     .pid = present(signals.owner_type, signals.owner)};
    if (owner.pid == 0 || fcntl(fd, F_SETOWN_EX, &owner) != 0)
      return ErrnoError("can't have a descriptor's signals sent to {} again", signals.owner);
  }
  if (fcntl(fd, F_SETSIG, signals.signal) != 0)
    return ErrnoError("can't have a descriptor send signal {}", signals.signal);
  if ((file.flags & O_ASYNC) != 0 && fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_ASYNC) != 0)
    return ErrnoError("can't have a descriptor send signals");
  if (signals.lease != 0 && fcntl(fd, F_SETLEASE, signals.lease == 1 ? F_RDLCK : F_WRLCK) != 0) {
    return ErrnoError("can't have a lease on {} again", file.named ? file.named->path : "a file");
  }
  return {};
}

}  // namespace retake
