#include "snapshot/kept_files.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "archive/source.h"
#include "snapshot/file_contents.h"

namespace retake {
namespace {

constexpr uint64_t kAtOnce = 1 << 20;

// Where data begins at `at` or behind it, in a file that may have holes.
uint64_t NextData(int fd, uint64_t at, uint64_t size) {
  off_t found = lseek(fd, static_cast<off_t>(at), SEEK_DATA);
  if (found >= 0) return static_cast<uint64_t>(found);
  return errno == ENXIO ? size : at;
}

Status Keep(NamedFile& file, CheckpointWriter& writer) {
  const auto page = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  Fd fd(open(file.path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!fd) return ErrnoError("can't keep {} in the checkpoint", file.path);
  auto check = [&]() -> Status {
    struct stat status {};
    if (fstat(fd.get(), &status) != 0) return ErrnoError("can't look at {}", file.path);
    if (!IsUntouched(file, status)) {
      return MakeError("can't keep {} in the checkpoint: it changed while this was taken",
                       file.path);
    }
    return {};
  };
  TRY(check());
  std::vector<uint8_t> buffer(kAtOnce);
  for (uint64_t at = 0; at < file.size;) {
    at = NextData(fd.get(), at, file.size) / page * page;
    if (at >= file.size) break;
    uint64_t size = std::min(kAtOnce, file.size - at);
    // Zeros behind the end, up to a whole page.
    auto pages = std::span(buffer).first((size + page - 1) / page * page);
    size_t got = TRY(ReadAt(fd.get(), at, pages, file.path));
    std::ranges::fill(pages.subspan(got), 0);
    TRY(writer.AddPages(at, pages, true, file.pages));
    at += size;
  }
  TRY(check());
  file.kept = true;
  return {};
}

}  // namespace

Status KeepFiles(FilesToKeep which, CheckpointImage& image, CheckpointWriter& writer) {
  auto leased = LeasedFiles(image);
  bool rewinds = image.files == FilePolicy::kRewind;
  auto keep = [&](NamedFile& file, bool writes) -> Status {
    bool wanted = (which == FilesToKeep::kWritten) == writes && (rewinds || !writes);
    if (!wanted || file.kept || leased.contains({file.device, file.inode})) return {};
    return Keep(file, writer);
  };
  for (NamedFile& file : image.mapped_files) {
    if (S_ISREG(file.mode)) TRY(keep(file, file.written));
  }
  for (OpenFile& file : image.open_files) {
    bool regular = file.kind == FileKind::kRegular && file.named && (file.flags & O_PATH) == 0;
    if (regular && rewinds) TRY(keep(*file.named, (file.flags & O_ACCMODE) != O_RDONLY));
  }
  return {};
}

Result<Fd> CopyOfKept(const NamedFile& file, CheckpointReader& checkpoint) {
  std::string name = file.path.substr(file.path.rfind('/') + 1);
  name = name.substr(0, 200);
  // MFD_EXEC of <linux/memfd.h>, Linux 6.3: else a machine may be set so that it can't be executed.
  constexpr unsigned kExecutable = 0x10;
  Fd copy(memfd_create(name.c_str(), MFD_CLOEXEC | kExecutable));
  if (!copy && errno == EINVAL) copy.Reset(memfd_create(name.c_str(), MFD_CLOEXEC));
  if (!copy || fchmod(copy.get(), file.mode & 0777) != 0 ||
      ftruncate(copy.get(), static_cast<off_t>(file.size)) != 0)
    return ErrnoError("can't make a copy of {} in memory ({} bytes)", file.path, file.size);
  TRY(checkpoint.CopyPages(file.pages, file.size, copy.get(), file.path));
  // What may be written to can't be a process's executable, says Linux before 6.11.
  Fd readable(open(fmt::format("/proc/self/fd/{}", copy.get()).c_str(), O_RDONLY | O_CLOEXEC));
  if (!readable) return ErrnoError("can't open a copy of {} again", file.path);
  return readable;
}

Status WriteBack(const NamedFile& file, int copy, const std::string& path) {
  Fd fd(open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOCTTY, file.mode & 0777));
  if (!fd) return ErrnoError("can't rewind {} to what it held", path);
  // What was behind its end is gone, and what was a hole is one again.
  if (ftruncate(fd.get(), 0) != 0 || ftruncate(fd.get(), static_cast<off_t>(file.size)) != 0)
    return ErrnoError("can't rewind {} to {} bytes", path, file.size);
  std::vector<uint8_t> buffer(kAtOnce);
  for (const PageRange& range : file.pages) {
    if (range.block == kZeroBlock) continue;
    uint64_t end = std::min(range.start + range.size, file.size);
    for (uint64_t at = range.start; at < end; at += kAtOnce) {
      auto bytes = std::span(buffer).first(std::min(kAtOnce, end - at));
      size_t got = TRY(ReadAt(copy, at, bytes, path));
      TRY(WriteAt(fd.get(), at, bytes.first(got), path));
    }
  }
  return {};
}

}  // namespace retake
