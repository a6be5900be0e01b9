// The cache belongs to one user: directories of mode 0700 that are not the user's own (HOME kept by
// sudo, a shared XDG_CACHE_HOME) are not used, since whoever writes there decides what a recording
// holds.
#include "replay/blob_cache.h"

#include <fcntl.h>

#include <array>
#include <atomic>
#include <charconv>
#include <cstdlib>

#include "base/clock.h"
#include "replay/trace_format.h"

namespace retake {
namespace {

constexpr int64_t kSettledNanoseconds = 100'000'000;

bool IsOurs(int fd) {
  struct stat status;
  return fstat(fd, &status) == 0 && S_ISDIR(status.st_mode) && status.st_uid == geteuid() &&
         (status.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

Fd OpenOrMake(int parent, const char* name) {
  Fd directory(openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (directory || errno != ENOENT) return directory;
  mkdirat(parent, name, 0700);
  return Fd(openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

Fd OpenCacheHome() {
  const char* cache = getenv("XDG_CACHE_HOME");
  if (cache != nullptr && cache[0] == '/') return OpenOrMake(AT_FDCWD, cache);
  const char* home = getenv("HOME");
  if (home == nullptr || home[0] != '/') return {};
  return OpenOrMake(AT_FDCWD, (std::string(home) + "/.cache").c_str());
}

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
  Fd home = OpenCacheHome();
  if (!home) return nullptr;
  Fd cache = OpenOrMake(home.get(), "retake");
  if (!cache || !IsOurs(cache.get())) return nullptr;
  Fd index = OpenOrMake(cache.get(), "index");
  Fd blobs = OpenOrMake(cache.get(), "blobs");
  if (!index || !blobs || !IsOurs(index.get()) || !IsOurs(blobs.get())) return nullptr;
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
