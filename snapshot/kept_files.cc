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

// Where data begins at `at` or behind it, in a file that may have holes.
uint64_t NextData(int fd, uint64_t at, uint64_t size) {
  off_t found = lseek(fd, static_cast<off_t>(at), SEEK_DATA);
  if (found >= 0) return static_cast<uint64_t>(found);
  return errno == ENXIO ? size : at;
}

// A file, without its holes.
class Contents : public PageSource {
 public:
  Contents(const NamedFile& file, int fd) : file_(file), fd_(fd) {
    for (uint64_t at = 0; at < file.size; at += kPagesAtOnce) {
      at = NextData(fd, at, file.size) / page_ * page_;
      if (at < file.size) offsets_.push_back(at);
    }
  }

  size_t pieces() const override { return offsets_.size(); }

  Status Read(size_t piece, std::vector<uint8_t>& room, std::vector<Stretch>& out) override {
    uint64_t at = offsets_[piece];
    uint64_t size = std::min(kPagesAtOnce, file_.size - at);
    // Zeros behind the end, up to a whole page.
    room.resize((size + page_ - 1) / page_ * page_);
    size_t got = TRY(ReadAt(fd_, at, room, file_.path));
    std::fill(room.begin() + static_cast<ptrdiff_t>(got), room.end(), 0);
    out.push_back({at, room, /*skip_zeros=*/true});
    return {};
  }

 private:
  const NamedFile& file_;
  const int fd_;
  const uint64_t page_ = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  std::vector<uint64_t> offsets_;
};

Status Keep(NamedFile& file, CheckpointWriter& writer) {
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
  Contents contents(file, fd.get());
  TRY(writer.AddPages(contents, file.pages));
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
  constexpr uint64_t kAtOnce = 1 << 20;
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
