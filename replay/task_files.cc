#include "replay/task_files.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include "base/result.h"

namespace retake {

Fd OpenTaskFd(pid_t pid, int fd) {
  return Fd(
      open(fmt::format("/proc/{}/fd/{}", pid, fd).c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
}

bool IsWritable(pid_t pid, int fd) {
  Fd file(open(fmt::format("/proc/{}/fdinfo/{}", pid, fd).c_str(), O_RDONLY | O_CLOEXEC));
  char text[512];
  ssize_t got = file ? read(file.get(), text, sizeof text - 1) : 0;
  if (got <= 0) return true;
  text[got] = 0;
  const char* flags = strstr(text, "flags:");
  if (flags == nullptr) return true;
  return (strtoul(flags + 6, nullptr, 8) & O_ACCMODE) != O_RDONLY;
}

std::optional<uint64_t> Position(pid_t pid, int fd) {
  Fd file(open(fmt::format("/proc/{}/fdinfo/{}", pid, fd).c_str(), O_RDONLY | O_CLOEXEC));
  char text[512];
  ssize_t got = file ? read(file.get(), text, sizeof text - 1) : 0;
  if (got <= 0) return std::nullopt;
  text[got] = 0;
  if (strncmp(text, "pos:", 4) != 0) return std::nullopt;
  return strtoull(text + 4, nullptr, 10);
}

}  // namespace retake
