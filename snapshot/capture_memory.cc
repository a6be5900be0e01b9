#include "snapshot/capture_memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>

#include "snapshot/capture.h"
#include "snapshot/write_range.h"
#include "tracee/own_pages.h"

namespace retake {
namespace {

// A mapping shows memory that has no name in any directory.
bool IsNameless(const Mapping& mapping) {
  return mapping.name.ends_with(" (deleted)") || mapping.name.starts_with("/memfd:") ||
         mapping.name.starts_with("/SYSV") || mapping.name.starts_with("anon_hugepage");
}

}  // namespace

Status MemoryCapture::AddRegions(const TaskMemory& memory, std::span<const MappingDetails> mappings,
                                 ProcessState& process, Losses& losses) {
  for (const MappingDetails& details : mappings) {
    if (details.mapping.is_vsyscall()) continue;
    TRY(AddRegion(memory, details, process, losses));
  }
  return {};
}

Status MemoryCapture::AddRegion(const TaskMemory& memory, const MappingDetails& details,
                                ProcessState& process, Losses& losses) {
  const Mapping& mapping = details.mapping;
  MemoryRegion region{.start = mapping.start,
                      .size = mapping.size(),
                      .prot = mapping.prot,
                      .flags = details.flags,
                      .offset = mapping.offset,
                      .protection_key = details.protection_key,
                      .name = mapping.name};
  auto lose = [&](std::string what) {
    losses.push_back(
        {.pid = process.pid,
         .kind = "mapping",
         .what = fmt::format("{:#x} to {:#x} ({}) {}", mapping.start, mapping.end,
                             mapping.name.empty() ? "anonymous" : mapping.name, what)});
  };
  region.kind = FindObject(memory, mapping, region);
  if (region.kind == MemoryKind::kKernel) {
    process.memory.push_back(std::move(region));
    return {};
  }
  if (!details.unknown_flags.empty())
    lose(fmt::format("has flags that this retake doesn't know:{}", details.unknown_flags));
  if ((details.flags & kInputOutput) != 0) lose("shows a device's memory, which isn't kept");
  if ((details.flags & kUserfaultfd) != 0) lose("is watched by a userfaultfd, which isn't kept");
  if ((details.flags & kHugeTlb) != 0) lose("is of pages of hugetlbfs, which aren't kept yet");
  if ((details.flags & kSealed) != 0) lose("is sealed (mseal), which isn't kept");
  if (mapping.shared && mapping.name.starts_with("anon_inode:"))
    lose("is memory shared with the kernel, which isn't kept");
  process.memory.push_back(std::move(region));
  return {};
}

MemoryKind MemoryCapture::FindObject(const TaskMemory& memory, const Mapping& mapping,
                                     MemoryRegion& region) {
  if (mapping.is_vdso() || mapping.is_vvar()) return MemoryKind::kKernel;
  if (!mapping.is_file()) return MemoryKind::kAnonymous;
  if (!IsNameless(mapping)) {
    struct stat status {};
    Fd file = OpenMappedFile(memory.pid(), memory, mapping, &status);
    if (file) {
      region.object = FileIndex(mapping, status);
      return mapping.shared ? MemoryKind::kSharedFile : MemoryKind::kFile;
    }
  }
  // A private mapping of something that can't be opened again: all that it shows is kept.
  if (!mapping.shared) {
    region.offset = 0;
    region.flags |= kWholeContents;
    return MemoryKind::kAnonymous;
  }
  region.object = objects_.IndexOf(mapping.device, mapping.inode, mapping.name);
  objects_.ShownBy(region.object, memory.pid(), mapping.start, mapping.size(), mapping.offset);
  return MemoryKind::kSharedObject;
}

uint32_t MemoryCapture::FileIndex(const Mapping& mapping, const struct stat& status) {
  auto [known, is_new] = files_.try_emplace(std::pair(mapping.device, mapping.inode),
                                            static_cast<uint32_t>(image_.mapped_files.size()));
  if (is_new) image_.mapped_files.push_back(NamedFileOf(mapping.name, status));
  return known->second;
}

Status MemoryCapture::WritePages(const TaskMemory& source, ProcessState& process,
                                 CheckpointWriter& writer) {
  OwnPages own = TRY(OwnPages::Of(source.pid()));
  for (const MemoryRegion& region : process.memory) {
    bool anonymous = region.kind == MemoryKind::kAnonymous;
    if (!anonymous && region.kind != MemoryKind::kFile) continue;
    uint64_t end = region.start + region.size;
    if ((region.flags & kWholeContents) != 0) {
      TRY(WriteRange(source, region.start, end, true, writer, process.pages));
      continue;
    }
    for (const PageRun& run : TRY(own.In(region.start, end)))
      TRY(WriteRange(source, run.start, run.end, anonymous, writer, process.pages));
  }
  return {};
}

}  // namespace retake
