#include "replay/blob_cache.h"

#include <fcntl.h>

#include <array>
#include <atomic>
#include <charconv>

#include "base/clock.h"
#include "replay/trace_format.h"
#include "replay/user_cache.h"

namespace retake {
namespace {

constexpr int64_t kSettledNanoseconds = 100'000'000;

struct IndexEntry {
  std::string hash;
  uint64_t size = 0;
};

std::optional<IndexEntry> ParseEntry(std::string_view text) {
  IndexEntry entry;
  size_t dot = text.find('.');
  if (dot == std::string_view::npos || !IsBlobName(text.substr(0, dot))) return std::nullopt;
  entry.hash = text.substr(0, dot);
  std::string_view size = text.substr(dot + 1);
  auto [end, error] = std::from_chars(size.data(), size.data() + size.size(), entry.size);
  if (error != std::errc() || end != size.data() + size.size()) return std::nullopt;
  return entry;
}

}  // namespace

std::string FileIdentity(const struct stat& status) {
  return fmt::format("{:x}-{:x}-{:x}-{:x}-{:x}", status.st_dev, status.st_ino, status.st_size,
                     Nanoseconds(status.st_mtim), Nanoseconds(status.st_ctim));
}

bool IsSettled(const struct stat& status) {
  int64_t limit = ClockNanoseconds(CLOCK_REALTIME) - kSettledNanoseconds;
  return Nanoseconds(status.st_mtim) < limit && Nanoseconds(status.st_ctim) < limit;
}

std::unique_ptr<BlobCache> BlobCache::Open() {
  Fd index = OpenUserCache("index");
  Fd blobs = OpenUserCache("blobs");
  if (!index || !blobs) return nullptr;
  return std::unique_ptr<BlobCache>(new BlobCache(std::move(index), std::move(blobs)));
}

std::optional<BlobCopy> BlobCache::Find(const struct stat& status) const {
  std::array<char, 64> target;  // 32 digits, a dot, at most 20 digits
  ssize_t length =
      readlinkat(index_.get(), FileIdentity(status).c_str(), target.data(), target.size());
  if (length <= 0) return std::nullopt;
  std::optional<IndexEntry> entry = ParseEntry({target.data(), static_cast<size_t>(length)});
  if (!entry || entry->size != static_cast<uint64_t>(status.st_size)) return std::nullopt;
  Fd file(openat(blobs_.get(), entry->hash.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  struct stat found;
  if (!file || fstat(file.get(), &found) != 0) return std::nullopt;
  if (!S_ISREG(found.st_mode) || static_cast<uint64_t>(found.st_size) != entry->size) {
    return std::nullopt;
  }
  return BlobCopy{std::move(entry->hash), entry->size, std::move(file)};
}

Result<BlobCopy> BlobCache::Store(int fd, const struct stat& status,
                                  const std::string& name) const {
  BlobCopy copy = TRY(CopyIntoBlobs(fd, blobs_.get(), name));
  struct stat after;
  if (fstat(fd, &after) != 0) return ErrnoError("can't stat {}", name);
  if (!IsSettled(status) || FileIdentity(after) != FileIdentity(status) ||
      copy.size != static_cast<uint64_t>(status.st_size)) {
    return copy;  // right for now, but not known by its identity
  }
  static std::atomic<uint64_t> counter = 0;
  std::string temporary = fmt::format(".new-{}-{}", getpid(), counter++);
  std::string target = fmt::format("{}.{}", copy.hash, copy.size);
  unlinkat(index_.get(), temporary.c_str(), 0);
  // A failure here costs the next recording a copy; nothing to report.
  if (symlinkat(target.c_str(), index_.get(), temporary.c_str()) == 0 &&
      renameat(index_.get(), temporary.c_str(), index_.get(), FileIdentity(status).c_str()) != 0) {
    unlinkat(index_.get(), temporary.c_str(), 0);
  }
  return copy;
}

}  // namespace retake
