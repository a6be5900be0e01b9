#include "replay/task_files.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include "base/result.h"

namespace retake {
namespace {

// The beginning of /proc/PID/fdinfo/FD (proc(5)), ended by a zero byte; empty if there is none.
struct FdInfo {
  char text[512];
};

FdInfo ReadFdInfo(pid_t pid, int fd) {
  Fd file(open(fmt::format("/proc/{}/fdinfo/{}", pid, fd).c_str(), O_RDONLY | O_CLOEXEC));
  FdInfo info;
  ssize_t got = file ? read(file.get(), info.text, sizeof info.text - 1) : 0;
  info.text[got > 0 ? got : 0] = 0;
  return info;
}

}  // namespace

Fd OpenTaskFd(pid_t pid, int fd) {
  return Fd(
      open(fmt::format("/proc/{}/fd/{}", pid, fd).c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
}

bool IsWritable(pid_t pid, int fd) {
  FdInfo info = ReadFdInfo(pid, fd);
  const char* flags = strstr(info.text, "flags:");
  if (flags == nullptr) return true;
  return (strtoul(flags + 6, nullptr, 8) & O_ACCMODE) != O_RDONLY;
}

std::optional<uint64_t> Position(pid_t pid, int fd) {
  FdInfo info = ReadFdInfo(pid, fd);
  if (strncmp(info.text, "pos:", 4) != 0) return std::nullopt;
  return strtoull(info.text + 4, nullptr, 10);
}

}  // namespace retake
