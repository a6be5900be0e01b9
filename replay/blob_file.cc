// Copying and naming blobs. The descriptor to copy from is often one of the program's own, so its
// offset is never touched (pread only), and it may be open with O_DIRECT, which wants aligned
// buffers. Runs of zeros become holes: a sparse file stays sparse.
#include "replay/blob_file.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <memory>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "archive/source.h"
#include "base/features.h"

namespace retake {
namespace {

constexpr size_t kChunk = 1 << 18;
constexpr size_t kHole = 1 << 16;  // zeros of this size and alignment are left out
constexpr size_t kAlignment = 4096;

struct FreeBuffer {
  void operator()(uint8_t* buffer) const { free(buffer); }
};
using Buffer = std::unique_ptr<uint8_t, FreeBuffer>;

std::string HashName(XXH128_hash_t hash) {
  return fmt::format("{:016x}{:016x}", hash.high64, hash.low64);
}

struct FreeHash {
  void operator()(XXH3_state_t* state) const { XXH3_freeState(state); }
};

struct Contents {
  std::string hash;
  uint64_t size = 0;
};

// Reads `source` to its end, hashing; copies to `target` unless that is negative.
Result<Contents> HashAndCopy(int source, int target, const std::string& name) {
  Buffer buffer(static_cast<uint8_t*>(aligned_alloc(kAlignment, kChunk)));
  std::unique_ptr<XXH3_state_t, FreeHash> hash(XXH3_createState());
  if (!buffer || !hash) return Error(ENOMEM, fmt::format("can't read {}", name));
  XXH3_128bits_reset(hash.get());
  Contents contents;
  while (true) {
    ssize_t got = pread(source, buffer.get(), kChunk, static_cast<off_t>(contents.size));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return ErrnoError("can't read {}", name);
    if (got == 0) break;
    ByteSpan chunk(buffer.get(), static_cast<size_t>(got));
    XXH3_128bits_update(hash.get(), chunk.data(), chunk.size());
    if (target >= 0) TRY(WriteSparse(target, contents.size, chunk, "a copy of " + name));
    contents.size += chunk.size();
  }
  if (target >= 0 && ftruncate(target, static_cast<off_t>(contents.size)) != 0) {
    return ErrnoError("can't write a copy of {}", name);
  }
  contents.hash = HashName(XXH3_128bits_digest(hash.get()));
  return contents;
}

bool Reflink(int source, int target) {
  return MayUse(Feature::kReflink) && ioctl(target, FICLONE, source) == 0;
}

// Copies without looking at the bytes: in the kernel where it can.
Status CopyWhole(int source, int target, const std::string& name) {
  if (Reflink(source, target)) return {};
  if (MayUse(Feature::kReflink)) {
    loff_t in = 0;
    loff_t out = 0;
    while (true) {
      ssize_t done = copy_file_range(source, &in, target, &out, 1 << 30, 0);
      if (done == 0) return {};
      if (done < 0 && errno == EINTR) continue;
      if (done < 0 && in == 0) break;  // EXDEV, EOPNOTSUPP, ENOSYS, EPERM in containers, ...
      if (done < 0) return ErrnoError("can't write a copy of {}", name);
    }
  }
  TRY(HashAndCopy(source, target, name));
  return {};
}

// A file on its way into a blob directory.
class NewBlob {
 public:
  ~NewBlob() {
    if (!temporary_.empty()) unlinkat(blobs_, temporary_.c_str(), 0);
  }
  NewBlob(NewBlob&& other) noexcept
      : blobs_(other.blobs_),
        file_(std::move(other.file_)),
        temporary_(std::exchange(other.temporary_, {})) {}

  static Result<NewBlob> Create(int blobs, const std::string& name) {
    NewBlob blob(blobs);
    blob.file_ = Fd(openat(blobs, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
    if (!blob.file_) {
      static std::atomic<uint64_t> counter = 0;
      blob.temporary_ = fmt::format(".new-{}-{}", getpid(), counter++);
      // A leftover of a dead process that had our pid is nobody's.
      unlinkat(blobs, blob.temporary_.c_str(), 0);
      blob.file_ = Fd(openat(blobs, blob.temporary_.c_str(),
                             O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
    }
    if (!blob.file_) return ErrnoError("can't make a copy of {}", name);
    return blob;
  }

  int fd() const { return file_.get(); }

  // Gives the file its name, unless a whole blob of `size` bytes has it already.
  Result<Fd> Commit(const std::string& hash, uint64_t size, const std::string& name) && {
    if (temporary_.empty()) {
      TRY(LinkUnnamed(hash, size, name));
    } else if (renameat(blobs_, temporary_.c_str(), blobs_, hash.c_str()) != 0) {
      return ErrnoError("can't name the copy of {}", name);
    } else {
      temporary_.clear();
    }
    return std::move(file_);
  }

 private:
  explicit NewBlob(int blobs) : blobs_(blobs) {}

  Status LinkUnnamed(const std::string& hash, uint64_t size, const std::string& name) {
    std::string self = fmt::format("/proc/self/fd/{}", file_.get());
    // Someone may make or remove the same blob between any two calls; a few rounds are enough, as
    // each such race leaves a whole blob behind or nothing.
    for (int round = 0; round < 16; round++) {
      if (linkat(AT_FDCWD, self.c_str(), blobs_, hash.c_str(), AT_SYMLINK_FOLLOW) == 0) return {};
      if (errno != EEXIST) return ErrnoError("can't name the copy of {}", name);
      struct stat status;
      if (fstatat(blobs_, hash.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) continue;
      if (S_ISREG(status.st_mode) && static_cast<uint64_t>(status.st_size) == size) return {};
      unlinkat(blobs_, hash.c_str(), 0);  // damaged: not what the name says
    }
    return Error(EEXIST, fmt::format("can't name the copy of {}", name));
  }

  int blobs_;
  Fd file_;
  std::string temporary_;  // empty: the file has no name yet
};

}  // namespace

Status WriteSparse(int fd, uint64_t offset, ByteSpan bytes, const std::string& name) {
  while (!bytes.empty()) {
    ByteSpan piece = bytes.first(std::min(bytes.size(), kHole));
    bytes = bytes.subspan(piece.size());
    if (!IsZero(piece)) TRY(WriteAt(fd, offset, piece, name));
    offset += piece.size();
  }
  return {};
}

std::string BlobHash(ByteSpan bytes) { return HashName(XXH3_128bits(bytes.data(), bytes.size())); }

Result<std::string> HashFile(int fd, const std::string& name) {
  return TRY(HashAndCopy(fd, -1, name)).hash;
}

Result<BlobCopy> CopyIntoBlobs(int source, int blobs, const std::string& name) {
  NewBlob blob = TRY(NewBlob::Create(blobs, name));
  Contents contents = Reflink(source, blob.fd()) ? TRY(HashAndCopy(blob.fd(), -1, name))
                                                 : TRY(HashAndCopy(source, blob.fd(), name));
  Fd file = TRY(std::move(blob).Commit(contents.hash, contents.size, name));
  return BlobCopy{std::move(contents.hash), contents.size, std::move(file)};
}

Status WriteBlob(ByteSpan bytes, const std::string& hash, int blobs, const std::string& name) {
  NewBlob blob = TRY(NewBlob::Create(blobs, name));
  TRY(WriteAt(blob.fd(), 0, bytes, name));
  TRY(std::move(blob).Commit(hash, bytes.size(), name));
  return {};
}

Status LinkBlob(int file, const std::string& hash, int from, int blobs, const std::string& name) {
  struct stat status;
  if (fstat(file, &status) != 0) return ErrnoError("can't stat the copy of {}", name);
  uint64_t size = static_cast<uint64_t>(status.st_size);
  if (MayUse(Feature::kHardlink) && linkat(from, hash.c_str(), blobs, hash.c_str(), 0) == 0) {
    // The name might have been given to another file since it was opened.
    struct stat linked;
    if (fstatat(blobs, hash.c_str(), &linked, AT_SYMLINK_NOFOLLOW) == 0 &&
        linked.st_ino == status.st_ino && linked.st_dev == status.st_dev) {
      return {};
    }
  }
  // Another filesystem, too many links, a cache that was emptied meanwhile: the bytes are still
  // there behind the descriptor.
  NewBlob blob = TRY(NewBlob::Create(blobs, name));
  TRY(CopyWhole(file, blob.fd(), name));
  TRY(std::move(blob).Commit(hash, size, name));
  return {};
}

}  // namespace retake
