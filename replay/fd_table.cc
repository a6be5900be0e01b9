#include "replay/fd_table.h"

#include <sys/sysmacros.h>

namespace retake {
namespace {

// Documentation/admin-guide/devices.txt.
const dev_t kNullDevice = makedev(1, 3);
const dev_t kOwnTerminal = makedev(5, 0);  // /dev/tty: whatever terminal the process has

// A terminal: major numbers of ttys, consoles and both halves of Unix98 ptys.
bool IsTerminal(const struct stat& status) {
  if (!S_ISCHR(status.st_mode)) return false;
  unsigned device_major = major(status.st_rdev);
  return device_major == 4 || device_major == 5 || (device_major >= 136 && device_major <= 143);
}

}  // namespace

EchoTargets::Target EchoTargets::Look(int fd) {
  struct stat status {};
  Target target;
  if (fstat(fd, &status) != 0) return target;
  if (S_ISCHR(status.st_mode) && status.st_rdev == kNullDevice) return target;
  target.present = true;
  target.terminal = IsTerminal(status);
  target.id = {status.st_dev, status.st_ino};
  target.rdev = status.st_rdev;
  return target;
}

EchoTargets EchoTargets::OfThisProcess() {
  EchoTargets targets;
  targets.out_ = Look(1);
  targets.err_ = Look(2);
  for (const Target& target : {Look(0), targets.out_, targets.err_}) {
    if (target.present && target.terminal) targets.terminal_rdev_ = target.rdev;
  }
  return targets;
}

bool EchoTargets::Matches(const Target& target, const struct stat& status) {
  if (!target.present) return false;
  if (target.terminal) return S_ISCHR(status.st_mode) && status.st_rdev == target.rdev;
  return target.id == FileId{status.st_dev, status.st_ino};
}

EchoTarget EchoTargets::Find(const struct stat& status, int fd) const {
  bool out = Matches(out_, status);
  bool err = Matches(err_, status);
  if (out && err) return fd == 2 ? EchoTarget::kStderr : EchoTarget::kStdout;
  if (out) return EchoTarget::kStdout;
  if (err) return EchoTarget::kStderr;
  if (terminal_rdev_ != 0 && S_ISCHR(status.st_mode) &&
      (status.st_rdev == terminal_rdev_ || status.st_rdev == kOwnTerminal)) {
    return EchoTarget::kTerminal;
  }
  return EchoTarget::kNone;
}

const FdInfo& FdTable::Look(pid_t pid, int fd, const EchoTargets& targets) {
  auto [entry, added] = known_.try_emplace(fd);
  FdInfo& info = entry->second;
  if (!added) return info;
  struct stat status {};
  // The link leads to the open file itself, be it a pipe, a socket or deleted.
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/fd/%d", pid, fd);
  if (stat(path, &status) == 0) {
    info.known = true;
    info.regular = S_ISREG(status.st_mode);
    info.id = {status.st_dev, status.st_ino};
    info.echo = targets.Find(status, fd);
  }
  return info;
}

void FdTable::Follow(FdEffect effect, const std::array<uint64_t, 6>& args, int64_t result) {
  switch (effect) {
    case FdEffect::kNone:
      break;
    case FdEffect::kOpens:
      if (result >= 0) known_.erase(static_cast<int>(result));
      break;
    case FdEffect::kCloses:
      known_.erase(static_cast<int>(args[0]));
      break;
    case FdEffect::kReplaces:
      known_.erase(static_cast<int>(args[1]));
      break;
    case FdEffect::kClosesMany:
      known_.clear();
      break;
  }
}

}  // namespace retake
