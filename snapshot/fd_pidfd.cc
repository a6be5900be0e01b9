// Descriptors of processes. Those of the tree are opened when the processes are there
// (snapshot/restore.cc); until then, something else stands in their place.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "base/syscall.h"
#include "snapshot/fd_kind.h"
#include "tracee/ptrace.h"

namespace retake {
namespace {

bool IsPidfd(const FdSubject& subject) { return subject.link == "anon_inode:[pidfd]"; }

Result<bool> CapturePidfd(const FdSubject& subject, FdCapture& capture, OpenFile& out) {
  std::string text(subject.Info("Pid"));
  auto pid = static_cast<pid_t>(strtol(text.c_str(), nullptr, 10));
  auto holds = [pid](std::span<const pid_t> pids) {
    return std::ranges::find(pids, pid) != pids.end();
  };
  // proc_pid_fdinfo(5): -1 has been reaped, 0 is of a namespace that can't be seen from here.
  if (pid != -1 && !holds(capture.pids) && !holds(capture.zombies)) {
    capture.Lose(subject, fmt::format("the process that it stands for{} isn't in the checkpoint "
                                      "(--skip-fd {} leaves it out)",
                                      pid > 0 ? fmt::format(", {},", pid) : "", subject.number));
    return false;
  }
  out.pidfd = PidfdState{.pid = pid};
  return true;
}

// Of a process that has ended and is gone.
Result<Fd> OpenOfNobody(const OpenFile& file) {
  pid_t child = fork();
  if (child == 0) _exit(0);
  if (child < 0) return ErrnoError("can't start a process");
  Fd fd(PidfdOpen(child, PidfdFlags(file)));
  int code = errno;
  ptracer::KillAndReap(child);
  if (!fd) return Error(code, "can't open a descriptor of a process");
  return fd;
}

Result<Fd> OpenPidfd(const OpenFile& file, FdRestore&) {
  if (file.pidfd->pid == -1) return OpenOfNobody(file);
  Fd fd(open("/dev/null", O_RDONLY | O_CLOEXEC));
  if (!fd) return ErrnoError("can't open /dev/null");
  return fd;
}

}  // namespace

unsigned PidfdFlags(const OpenFile& file) {
  // <linux/pidfd.h>: PIDFD_NONBLOCK and PIDFD_THREAD are these.
  return file.flags & (O_NONBLOCK | O_EXCL);
}

constinit const FdKind kPidfdFd = {FileKind::kPidfd, "descriptor of a process", IsPidfd,
                                   CapturePidfd, OpenPidfd};

}  // namespace retake
