// ByteSource's kinds, and the two loops around pread and pwrite that everything on disk goes
// through: both may do less than asked (signals, nearly full disks), which callers need not know.
#include "archive/source.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include <algorithm>

namespace retake {

Result<size_t> ReadAt(int fd, uint64_t offset, std::span<uint8_t> buffer, const std::string& name) {
  size_t done = 0;
  while (done < buffer.size()) {
    ssize_t got =
        pread(fd, buffer.data() + done, buffer.size() - done, static_cast<off_t>(offset + done));
    if (got < 0) {
      if (errno == EINTR) continue;
      return ErrnoError("can't read {}", name);
    }
    if (got == 0) break;
    done += static_cast<size_t>(got);
  }
  return done;
}

Result<Fd> OpenRegularFile(const std::string& path) {
  // O_NONBLOCK: a fifo in the place of a file must not hang us.
  Fd file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!file) return ErrnoError("can't open {}", path);
  struct stat status;
  if (fstat(file.get(), &status) != 0) return ErrnoError("can't stat {}", path);
  if (!S_ISREG(status.st_mode)) return MakeError("{} is not a regular file", path);
  return file;
}

Result<uint64_t> FileSource::Size() const {
  struct stat status;
  if (fstat(file_.get(), &status) != 0) return ErrnoError("can't stat {}", name_);
  return static_cast<uint64_t>(status.st_size);
}

Result<size_t> FileSource::ReadAt(uint64_t offset, std::span<uint8_t> buffer) const {
  return retake::ReadAt(file_.get(), offset, buffer, name_);
}

Result<size_t> MemorySource::ReadAt(uint64_t offset, std::span<uint8_t> buffer) const {
  if (offset >= bytes_.size()) return size_t{0};
  size_t size = std::min<size_t>(buffer.size(), bytes_.size() - offset);
  std::copy_n(bytes_.begin() + static_cast<ptrdiff_t>(offset), size, buffer.begin());
  return size;
}

Status WriteAt(int fd, uint64_t offset, ByteSpan first, ByteSpan second, const std::string& name) {
  iovec parts[] = {{const_cast<uint8_t*>(first.data()), first.size()},
                   {const_cast<uint8_t*>(second.data()), second.size()}};
  size_t put =
      static_cast<size_t>(std::max<ssize_t>(pwritev(fd, parts, 2, static_cast<off_t>(offset)), 0));
  // The rest, or why it can't be written.
  size_t of_first = std::min(put, first.size());
  TRY(WriteAt(fd, offset + of_first, first.subspan(of_first), name));
  size_t of_second = put - of_first;
  return WriteAt(fd, offset + first.size() + of_second, second.subspan(of_second), name);
}

Status WriteAt(int fd, uint64_t offset, ByteSpan bytes, const std::string& name) {
  while (!bytes.empty()) {
    ssize_t written = pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (written < 0) {
      if (errno == EINTR) continue;
      return ErrnoError("can't write {}", name);
    }
    if (written == 0) return Error(ENOSPC, fmt::format("can't write {}", name));
    bytes = bytes.subspan(static_cast<size_t>(written));
    offset += static_cast<uint64_t>(written);
  }
  return {};
}

}  // namespace retake
