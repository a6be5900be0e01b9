#include "snapshot/file_contents.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <array>
#include <memory>
#include <optional>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/clock.h"
#include "base/fd.h"

namespace retake {
namespace {

struct FreeState {
  void operator()(XXH3_state_t* state) const { XXH3_freeState(state); }
};

std::optional<std::array<uint64_t, 2>> HashOf(int fd) {
  constexpr size_t kAtOnce = 1 << 18;
  std::unique_ptr<XXH3_state_t, FreeState> state(XXH3_createState());
  if (state == nullptr) return {};
  XXH3_128bits_reset(state.get());
  std::vector<uint8_t> buffer(kAtOnce);
  for (off_t at = 0;;) {
    ssize_t got = pread(fd, buffer.data(), buffer.size(), at);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return {};
    if (got == 0) break;
    XXH3_128bits_update(state.get(), buffer.data(), static_cast<size_t>(got));
    at += got;
  }
  XXH128_hash_t hash = XXH3_128bits_digest(state.get());
  return std::array<uint64_t, 2>{hash.low64, hash.high64};
}

void Hash(NamedFile& file) {
  if (file.path.empty() || file.size > kMostHashedBytes) return;
  Fd fd(open(file.path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  struct stat status {};
  if (!fd || fstat(fd.get(), &status) != 0 || !S_ISREG(status.st_mode)) return;
  if (!IsUntouched(file, status)) return;
  auto hash = HashOf(fd.get());
  // It may be written to by now.
  if (!hash || fstat(fd.get(), &status) != 0 || !IsUntouched(file, status)) return;
  file.content.assign(hash->begin(), hash->end());
}

}  // namespace

bool IsUntouched(const NamedFile& file, const struct stat& status) {
  return status.st_dev == file.device && status.st_ino == file.inode &&
         static_cast<uint64_t>(status.st_size) == file.size &&
         Nanoseconds(status.st_mtim) == file.changed_at &&
         Nanoseconds(status.st_ctim) == file.touched_at;
}

std::set<std::pair<uint64_t, uint64_t>> LeasedFiles(const CheckpointImage& image) {
  std::set<std::pair<uint64_t, uint64_t>> leased;
  for (const OpenFile& file : image.open_files) {
    if (file.named && file.signals_of && file.signals_of->lease != 0)
      leased.emplace(file.named->device, file.named->inode);
  }
  return leased;
}

bool IsSameContent(const NamedFile& file, int fd) {
  struct stat status {};
  if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) return false;
  bool times_tell = !file.written || file.content.empty();
  if (times_tell && IsUntouched(file, status)) return true;
  if (static_cast<uint64_t>(status.st_size) != file.size) return false;
  if (file.content.empty()) return Nanoseconds(status.st_mtim) == file.changed_at;
  // It may be open for writing only.
  Fd readable(open(fmt::format("/proc/self/fd/{}", fd).c_str(), O_RDONLY | O_CLOEXEC));
  auto hash = HashOf(readable ? readable.get() : fd);
  return hash && std::equal(hash->begin(), hash->end(), file.content.begin(), file.content.end());
}

void HashWrittenFiles(CheckpointImage& image) {
  // A disk's files are written back, which shows in their times: they need not be read if that
  // would take long.
  constexpr uint64_t kMostOnDisk = 16 << 20;
  for (const ProcessState& process : image.processes) {
    for (const MemoryRegion& region : process.memory) {
      if (region.kind == MemoryKind::kSharedFile && (region.prot & PROT_WRITE) != 0)
        image.mapped_files[region.object].written = true;
    }
  }
  auto leased = LeasedFiles(image);
  for (NamedFile& file : image.mapped_files) {
    struct statfs system {};
    if (!file.written || leased.contains({file.device, file.inode})) continue;
    if (statfs(file.path.c_str(), &system) != 0) continue;
    if (system.f_type == TMPFS_MAGIC || file.size <= kMostOnDisk) Hash(file);
  }
}

ContentHashing::ContentHashing(const CheckpointImage& image) : mapped_(image.mapped_files) {
  auto leased = LeasedFiles(image);
  auto is_leased = [&](const NamedFile& file) {
    return leased.contains({file.device, file.inode});
  };
  for (NamedFile& file : mapped_) {
    if (is_leased(file) || file.written) file.path.clear();
  }
  for (const OpenFile& file : image.open_files) {
    bool regular = file.kind == FileKind::kRegular && file.named && !is_leased(*file.named);
    opened_.push_back(regular ? *file.named : NamedFile());
  }
  thread_ = std::thread([this] {
    for (NamedFile& file : mapped_) Hash(file);
    for (NamedFile& file : opened_) Hash(file);
  });
}

ContentHashing::~ContentHashing() {
  if (thread_.joinable()) thread_.join();
}

void ContentHashing::Finish(CheckpointImage& image) {
  thread_.join();
  for (size_t i = 0; i < mapped_.size(); ++i) {
    if (!mapped_[i].written) image.mapped_files[i].content = std::move(mapped_[i].content);
  }
  for (size_t i = 0; i < opened_.size(); ++i) {
    if (image.open_files[i].named)
      image.open_files[i].named->content = std::move(opened_[i].content);
  }
}

}  // namespace retake
