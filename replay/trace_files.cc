// A trace in a directory. Nothing in it is followed out of it: a blob or an events file that is a
// symbolic link, a fifo or a device is refused, since a trace may come from a stranger.
#include "replay/trace_files.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "replay/trace_format.h"
#include "replay/trace_manifest.h"

namespace retake {
namespace {

Result<Fd> OpenRegular(int directory, const std::string& name, const std::string& path) {
  Fd file(
      openat(directory, name.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY));
  if (!file) return ErrnoError("can't open {}", path);
  struct stat status;
  if (fstat(file.get(), &status) != 0) return ErrnoError("can't stat {}", path);
  if (!S_ISREG(status.st_mode)) return MakeError("{} is not a regular file", path);
  return file;
}

class TraceDirectory final : public TraceFiles {
 public:
  TraceDirectory(Fd directory, std::string path)
      : directory_(std::move(directory)), path_(std::move(path)) {}

  Result<std::string> ReadManifest() const override {
    if (faccessat(directory_.get(), kManifestName, F_OK, AT_SYMLINK_NOFOLLOW) != 0 &&
        errno == ENOENT) {
      return MakeError("{} is not a trace: it has no manifest", path_);
    }
    FileSource source(TRY(OpenRegular(directory_.get(), kManifestName, PathOf(kManifestName))),
                      PathOf(kManifestName));
    uint64_t size = TRY(source.Size());
    if (size > kMaxManifestBytes) {
      return MakeError("{} is larger than a manifest can be ({} bytes)", source.name(), size);
    }
    std::string text(size, '\0');
    text.resize(TRY(source.ReadAt(0, {reinterpret_cast<uint8_t*>(text.data()), text.size()})));
    return text;
  }

  Result<std::unique_ptr<ByteSource>> OpenEvents() const override {
    Fd file = TRY(OpenRegular(directory_.get(), kEventsName, PathOf(kEventsName)));
    return Result<std::unique_ptr<ByteSource>>(
        std::make_unique<FileSource>(std::move(file), PathOf(kEventsName)));
  }

  std::optional<bool> IsBeingWritten() const override {
    Result<Fd> file = OpenRegular(directory_.get(), kEventsName, PathOf(kEventsName));
    if (!file.ok()) return std::nullopt;
    if (flock(file->get(), LOCK_SH | LOCK_NB) == 0) return false;
    return errno == EWOULDBLOCK ? std::optional(true) : std::nullopt;
  }

  Result<Fd> OpenBlob(const std::string& hash) const override {
    std::string name = fmt::format("{}/{}", kBlobsName, hash);
    return OpenRegular(directory_.get(), name, PathOf(name));
  }

 private:
  std::string PathOf(const std::string& name) const { return path_ + "/" + name; }

  Fd directory_;
  std::string path_;
};

}  // namespace

Result<std::unique_ptr<TraceFiles>> TraceFiles::Open(const std::string& path) {
  Fd file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!file) return ErrnoError("can't open the trace {}", path);
  struct stat status;
  if (fstat(file.get(), &status) != 0) return ErrnoError("can't stat {}", path);
  if (S_ISDIR(status.st_mode)) {
    return Result<std::unique_ptr<TraceFiles>>(
        std::make_unique<TraceDirectory>(std::move(file), path));
  }
  if (S_ISREG(status.st_mode)) return OpenPackedTrace(std::move(file), path);
  return MakeError("{} is not a trace: neither a directory nor a file", path);
}

}  // namespace retake
