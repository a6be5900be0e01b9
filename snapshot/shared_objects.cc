#include "snapshot/shared_objects.h"

#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>

#include "tracee/memory.h"

namespace retake {
namespace {

const uint64_t kPageSize = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
constexpr uint64_t kReadAtOnce = 1 << 20;

uint64_t RoundUp(uint64_t size) { return (size + kPageSize - 1) / kPageSize * kPageSize; }

}  // namespace

uint32_t SharedObjects::IndexOf(uint64_t device, uint64_t inode, const std::string& name) {
  auto [known, is_new] =
      index_.try_emplace(std::pair(device, inode), static_cast<uint32_t>(objects_.size()));
  if (is_new) {
    objects_.push_back({.device = device, .inode = inode, .name = name});
    sources_.emplace_back();
  }
  return known->second;
}

void SharedObjects::HeldBy(uint32_t index, Fd file) {
  struct stat status {};
  if (fstat(file.get(), &status) == 0) {
    objects_[index].size = std::max(objects_[index].size, static_cast<uint64_t>(status.st_size));
  }
  struct statfs system {};
  if (fstatfs(file.get(), &system) == 0 && system.f_type == HUGETLBFS_MAGIC)
    objects_[index].huge_page_size = static_cast<uint64_t>(system.f_bsize);
  sources_[index].file = std::move(file);
}

void SharedObjects::ShownBy(uint32_t index, pid_t pid, uint64_t start, uint64_t size,
                            uint64_t offset) {
  sources_[index].showings.push_back({pid, start, size, offset});
}

void SharedObjects::Describe(std::span<const MemoryRegion> regions) {
  for (const MemoryRegion& region : regions) {
    if (region.kind == MemoryKind::kSharedObject && region.huge_page_size != 0)
      objects_[region.object].huge_page_size = region.huge_page_size;
  }
}

Status SharedObjects::Save(PageRoom& room) {
  for (size_t i = 0; i < sources_.size(); ++i) {
    Source& source = sources_[i];
    source.saved.emplace(room);
    if (source.file) {
      TRY(SaveFile(source.file.get(), objects_[i], *source.saved));
    } else {
      TRY(SaveShowings(source.showings, objects_[i], *source.saved));
    }
  }
  return {};
}

Status SharedObjects::Write(CheckpointWriter& writer) {
  for (size_t i = 0; i < sources_.size(); ++i)
    TRY(sources_[i].saved->Write(writer, objects_[i].pages));
  return {};
}

Status SharedObjects::SaveFile(int file, const SharedObject& object, SavedPages& saved) {
  std::vector<uint8_t> buffer;
  off_t at = 0;
  const auto size = static_cast<off_t>(object.size);
  while (at < size) {
    // A file system that knows no holes has data everywhere. (The offset that this moves is of a
    // description of our own.)
    off_t data = lseek(file, at, SEEK_DATA);
    if (data < 0 && errno == ENXIO) break;
    if (data > at) at = data / static_cast<off_t>(kPageSize) * static_cast<off_t>(kPageSize);
    buffer.assign(std::min<uint64_t>(RoundUp(static_cast<uint64_t>(size - at)), kReadAtOnce), 0);
    ssize_t got = pread(file, buffer.data(), buffer.size(), at);
    if (got < 0) return ErrnoError("can't read {}", object.name);
    if (got == 0) break;
    // Behind the end of the file the last page is zeros, as it would be mapped.
    ByteSpan pages = ByteSpan(buffer).first(RoundUp(static_cast<uint64_t>(got)));
    TRY(saved.AddBytes(static_cast<uint64_t>(at), pages, /*skip_zeros=*/true));
    at += static_cast<off_t>(pages.size());
  }
  return {};
}

Status SharedObjects::SaveShowings(std::vector<Showing>& showings, SharedObject& object,
                                   SavedPages& saved) {
  std::ranges::sort(showings, {}, &Showing::offset);
  uint64_t kept_to = 0;  // of the object
  std::vector<uint8_t> buffer;
  for (const Showing& showing : showings) {
    uint64_t end = showing.offset + showing.size;
    object.size = std::max(object.size, end);
    TaskMemory memory = TRY(TaskMemory::Open(showing.pid));
    for (uint64_t at = std::max(showing.offset, kept_to); at < end;) {
      buffer.resize(std::min(end - at, kReadAtOnce));
      size_t got =
          memory.ReadSome(showing.start + (at - showing.offset), buffer.data(), buffer.size());
      got -= got % kPageSize;
      TRY(saved.AddBytes(at, ByteSpan(buffer).first(got), /*skip_zeros=*/true));
      // What can't be read lies behind the object's end, or is a guard.
      at += got < buffer.size() ? got + kPageSize : got;
    }
    kept_to = std::max(kept_to, end);
  }
  return {};
}

}  // namespace retake
