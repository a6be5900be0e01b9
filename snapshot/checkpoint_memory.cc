#include "snapshot/checkpoint_memory.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "snapshot/file_contents.h"

namespace retake {
namespace {

// The range among ascending ones that holds `at`.
const PageRange* RangeAt(const std::vector<PageRange>& ranges, uint64_t at) {
  auto behind = std::ranges::upper_bound(ranges, at, {}, &PageRange::start);
  if (behind == ranges.begin()) return nullptr;
  const PageRange& range = *std::prev(behind);
  return at < range.start + range.size ? &range : nullptr;
}

}  // namespace

CheckpointMemory::CheckpointMemory(CheckpointReader& checkpoint, const ProcessState& process)
    : checkpoint_(checkpoint), process_(process), pages_(process.pages) {
  std::ranges::sort(pages_, {}, &PageRange::start);
}

size_t CheckpointMemory::ReadSome(uint64_t address, void* buffer, size_t size) const {
  const uint64_t page = checkpoint_.image().requirements.page_size;
  size_t done = 0;
  while (done < size) {
    uint64_t at = address + done;
    size_t piece = std::min<uint64_t>(size - done, page - at % page);
    if (!ReadPiece(at, static_cast<uint8_t*>(buffer) + done, piece)) break;
    done += piece;
  }
  return done;
}

bool CheckpointMemory::ReadPiece(uint64_t address, void* buffer, size_t size) const {
  auto behind = std::ranges::upper_bound(process_.memory, address, {}, &MemoryRegion::start);
  if (behind == process_.memory.begin()) return false;
  const MemoryRegion& region = *std::prev(behind);
  if (address >= region.start + region.size) return false;
  if (const PageRange* range = RangeAt(pages_, address))
    return ReadKept(*range, address - range->start, buffer, size);
  switch (region.kind) {
    case MemoryKind::kAnonymous:
      memset(buffer, 0, size);
      return true;
    case MemoryKind::kFile:
    case MemoryKind::kSharedFile:
      return ReadFile(region, address, buffer, size);
    case MemoryKind::kSharedObject: {
      uint64_t offset = address - region.start + region.offset;
      const PageRange* range =
          RangeAt(checkpoint_.image().shared_objects.at(region.object).pages, offset);
      if (range != nullptr) return ReadKept(*range, offset - range->start, buffer, size);
      memset(buffer, 0, size);
      return true;
    }
    case MemoryKind::kKernel: {
      const std::vector<uint8_t>& vdso = checkpoint_.image().requirements.vdso;
      uint64_t offset = address - region.start;
      if (region.name != "[vdso]" || offset + size > vdso.size()) return false;
      memcpy(buffer, vdso.data() + offset, size);
      return true;
    }
  }
  return false;
}

bool CheckpointMemory::ReadKept(const PageRange& range, uint64_t offset, void* buffer,
                                size_t size) const {
  if (range.block == kZeroBlock) {
    memset(buffer, 0, size);
    return true;
  }
  auto bytes = checkpoint_.Bytes(range);
  if (!bytes.ok()) return false;
  memcpy(buffer, bytes->data() + offset, size);
  return true;
}

bool CheckpointMemory::ReadFile(const MemoryRegion& region, uint64_t address, void* buffer,
                                size_t size) const {
  auto [opened, is_new] = files_.try_emplace(region.object);
  if (is_new) {
    const NamedFile& file = checkpoint_.image().mapped_files.at(region.object);
    Fd fd(open(file.path.c_str(), O_RDONLY | O_CLOEXEC));
    if (fd && IsSameContent(file, fd.get())) opened->second = std::move(fd);
  }
  uint64_t offset = address - region.start + region.offset;
  memset(buffer, 0, size);
  if (opened->second)
    return pread(opened->second.get(), buffer, size, static_cast<off_t>(offset)) >= 0;
  const NamedFile& file = checkpoint_.image().mapped_files.at(region.object);
  if (!file.kept) return false;
  const PageRange* range = RangeAt(file.pages, offset);
  return range == nullptr || ReadKept(*range, offset - range->start, buffer, size);
}

}  // namespace retake
