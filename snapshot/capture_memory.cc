#include "snapshot/capture_memory.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <functional>

#include "snapshot/capture.h"
#include "snapshot/write_runs.h"
#include "tracee/proc_files.h"

namespace retake {
namespace {

// /dev/zero (Documentation/admin-guide/devices.txt), of which a private mapping is anonymous
// memory.
bool IsZeroDevice(const struct stat& status) {
  constexpr unsigned kMemoryMajor = 1, kZeroMinor = 5;
  return S_ISCHR(status.st_mode) && status.st_rdev == makedev(kMemoryMajor, kZeroMinor);
}

// A mapping shows memory that has no name in any directory.
bool IsNameless(const Mapping& mapping) {
  return mapping.name.ends_with(" (deleted)") || mapping.name.starts_with("/memfd:") ||
         mapping.name.starts_with("/SYSV") || mapping.name.starts_with("[anon_shmem:") ||
         mapping.name.starts_with("anon_hugepage");
}

// What the kernel calls memory that was asked for with MAP_HUGETLB and of no file.
bool IsHugeName(std::string_view name) { return name.find("anon_hugepage") <= 1; }

// Regions that have pages of the process's own.
bool IsPrivate(const MemoryRegion& region) {
  return region.kind == MemoryKind::kAnonymous || region.kind == MemoryKind::kFile;
}

bool IsPrivateHuge(const MemoryRegion& region) {
  return region.kind == MemoryKind::kAnonymous && (region.flags & kHugeTlb) != 0 &&
         IsHugeName(region.name);
}

bool IsShared(const MemoryRegion& region) {
  return region.kind == MemoryKind::kSharedFile || region.kind == MemoryKind::kSharedObject;
}

bool HoldsUserfaultfd(pid_t pid) {
  return std::ranges::any_of(DescriptorsOf(pid), [pid](int number) {
    return ReadProcLink(pid, fmt::format("fd/{}", number)) == "anon_inode:[userfaultfd]";
  });
}

// What a restored process wouldn't have of a region.
void FindLosses(const MemoryRegion& region, const MappingDetails& details, pid_t pid,
                Losses& losses) {
  auto lose = [&](std::string what, LossNature nature = LossNature::kCertain) {
    losses.push_back(
        {.pid = pid,
         .kind = "mapping",
         .what = fmt::format("{:#x} to {:#x} ({}) {}", region.start, region.start + region.size,
                             region.name.empty() ? "anonymous" : region.name, what),
         .nature = nature});
  };
  if (!details.unknown_flags.empty())
    lose(fmt::format("has flags that this retake doesn't know:{}", details.unknown_flags));
  if ((details.flags & kInputOutput) != 0) lose("shows a device's memory, which isn't kept");
  if ((details.flags & kUserfaultfd) != 0) {
    if (HoldsUserfaultfd(pid)) {
      lose("is watched by a userfaultfd, which isn't kept");
    } else {
      lose("isn't all there yet: a userfaultfd brings it, a restore's", LossNature::kPassing);
    }
  }
  if ((details.flags & kHugeTlb) != 0 && !IsPrivateHuge(region) && !IsShared(region))
    lose("shows a file of hugetlbfs privately, which isn't kept");
  if (region.has_kernels_key())
    lose("can be executed only, which is kept, but not that it can't be read (a protection key)");
  if (region.name.starts_with("/SYSV"))
    lose("is System V shared memory: it would be a mapping like any other, without its id");
  if (region.name.starts_with("anon_inode:") || region.name.starts_with("/[aio]"))
    lose("is memory shared with the kernel, which isn't kept");
}

// The one of ascending mappings that an address is in. It may begin before a region that begins
// there: what injected calls needed can have been joined to it.
template <typename Range, typename GetMapping>
auto Containing(const Range& range, uint64_t address, GetMapping mapping_of) {
  auto behind = std::ranges::upper_bound(
      range, address, {}, [&](const auto& m) { return std::invoke(mapping_of, m).start; });
  bool found = behind != range.begin() && address < std::invoke(mapping_of, *std::prev(behind)).end;
  return found ? &*std::prev(behind) : nullptr;
}

std::string CantRead(const PageRun& run) {
  return fmt::format(
      "from {:#x} to {:#x} can't be read: guard pages, on a kernel that doesn't tell, "
      "or poisoned ones",
      run.start, run.end);
}

}  // namespace

// --- One process's memory ---

Result<std::unique_ptr<ProcessMemory>> ProcessMemory::Open(pid_t tid, PageRoom& room,
                                                           bool may_go_on) {
  TaskMemory opened = TRY(TaskMemory::Open(tid));
  std::unique_ptr<ProcessMemory> memory(new ProcessMemory(std::move(opened), room));
  ProcStatus status = TRY(ProcStatus::Read(tid));
  constexpr uint64_t kKiB = 1024;
  uint64_t own = (status.Number("RssAnon") + status.Number("VmSwap")) * kKiB;
  if (!may_go_on) {
    memory->taken_ = PagesTaken::kHeld;
  } else if (own > kSavedAtMost) {
    memory->taken_ = PagesTaken::kFromCopy;
  }
  // A fork unlocks what was locked, so the copy wouldn't tell.
  bool copy_tells = memory->taken_ == PagesTaken::kFromCopy && status.Number("VmLck") == 0;
  if (copy_tells) {
    memory->mappings_ = TRY(ReadMappings(tid));
  } else {
    TRY(memory->ReadDetails());
  }
  return memory;
}

// The kernel looks at each page for it: some 16 ms for a GiB.
Status ProcessMemory::ReadDetails() {
  details_ = TRY(ReadSmaps(memory_.pid()));
  mappings_.clear();
  mappings_.reserve(details_.size());
  for (const MappingDetails& detail : details_) mappings_.push_back(detail.mapping);
  return {};
}

Status ProcessMemory::MakeCopy(Injection& injection) {
  auto copy = MemoryCopy::Take(injection);
  if (copy.ok()) {
    copy_ = std::move(*copy);
    return {};
  }
  taken_ = PagesTaken::kHeld;
  return details_.empty() ? ReadDetails() : Status();
}

Status ProcessMemory::Save(ProcessState& process, Losses& losses) {
  if (wants_copy()) taken_ = PagesTaken::kHeld;
  process.pages_taken = taken_;
  OwnPages own = TRY(OwnPages::Of(memory_.pid()));
  TRY(AddGuards(own, process));
  if (taken_ == PagesTaken::kSaved) {
    for (const MemoryRegion& region : process.memory) TRY(AddToSaved(own, region));
  } else if (taken_ == PagesTaken::kFromCopy) {
    TRY(AddWhatCopyLacks(own, process));
  }
  if (!details_.empty()) SetDetails(details_, process, losses);
  std::vector<PageRun> unreadable;
  TRY(saved_.Read(memory_, unreadable));
  for (const PageRun& run : TRY(FindGuards(own, unreadable, process)))
    losses.push_back({.pid = process.pid, .kind = "memory", .what = CantRead(run)});
  return {};
}

Status ProcessMemory::AddToSaved(const OwnPages& own, const MemoryRegion& region) {
  if (!IsPrivate(region)) return {};
  uint64_t end = region.start + region.size;
  if ((region.flags & kWholeContents) != 0) {
    saved_.Add({region.start, end}, /*skip_zeros=*/true);
    return {};
  }
  for (const PageRun& run : TRY(own.In(region.start, end)))
    saved_.Add(run, region.kind == MemoryKind::kAnonymous);
  return {};
}

// Of memory that is private, guards are found when it is read.
Status ProcessMemory::AddGuards(const OwnPages& own, ProcessState& process) {
  for (const MemoryRegion& region : process.memory) {
    if (IsPrivate(region) || region.kind == MemoryKind::kKernel) continue;
    for (const PageRun& run : TRY(own.GuardsIn(region.start, region.start + region.size)))
      process.guards.push_back({run.start, run.end - run.start});
  }
  return {};
}

Status ProcessMemory::AddWhatCopyLacks(const OwnPages& own, const ProcessState& process) {
  auto copied = TRY(ReadMappings(copy_->pid()));
  OwnPages of_copy = TRY(OwnPages::Of(copy_->pid()));
  for (const MemoryRegion& region : process.memory) {
    if (!IsPrivate(region)) continue;
    bool there = Containing(copied, region.start, std::identity()) != nullptr;
    // What isn't there can't tell its flags either.
    if (!there && details_.empty()) TRY(ReadDetails());
    // Wiped memory is there, and empty. Huge pages that the original writes to are lost to its
    // copy, where none is left for it.
    uint64_t end = region.start + region.size;
    bool stays = there && !IsPrivateHuge(region);
    if (stays && (TRY(of_copy.AnyIn(region.start, end)) || !TRY(own.AnyIn(region.start, end))))
      continue;
    TRY(AddToSaved(own, region));
    saved_regions_.push_back(region.start);
  }
  return {};
}

Result<std::vector<PageRun>> ProcessMemory::FindGuards(const OwnPages& own,
                                                       std::span<const PageRun> unreadable,
                                                       ProcessState& process) {
  std::vector<PageRun> others;
  for (const PageRun& run : unreadable) {
    uint64_t guarded = 0;
    for (const PageRun& guard : TRY(own.GuardsIn(run.start, run.end))) {
      process.guards.push_back({guard.start, guard.end - guard.start});
      guarded += guard.end - guard.start;
    }
    // Behind the end of a file there is nothing to read, and nothing to lose.
    if (guarded < run.end - run.start && TRY(own.AnyIn(run.start, run.end))) others.push_back(run);
  }
  return others;
}

void ProcessMemory::SetDetails(std::span<const MappingDetails> details, ProcessState& process,
                               Losses& losses) {
  for (MemoryRegion& region : process.memory) {
    const MappingDetails* found = Containing(details, region.start, &MappingDetails::mapping);
    if (found == nullptr) {
      losses.push_back({.pid = process.pid,
                        .kind = "mapping",
                        .what = fmt::format("{:#x} has flags that can't be known", region.start)});
      continue;
    }
    region.flags |= found->flags;
    region.protection_key = found->protection_key;
    if ((found->flags & kHugeTlb) != 0) region.huge_page_size = found->page_size;
    if (region.kind != MemoryKind::kKernel) FindLosses(region, *found, process.pid, losses);
  }
}

Status ProcessMemory::Complete(ProcessState& process, Losses& losses) {
  if (copy_ == nullptr || !details_.empty()) return {};
  SetDetails(TRY(ReadSmaps(copy_->pid())), process, losses);
  return {};
}

Status ProcessMemory::Write(ProcessState& process, CheckpointWriter& writer) {
  TRY(saved_.Write(writer, process.pages));
  if (taken_ == PagesTaken::kSaved) return {};
  const TaskMemory& source = copy_ == nullptr ? memory_ : copy_->memory();
  OwnPages own = TRY(OwnPages::Of(source.pid()));
  std::vector<RunToWrite> wanted;
  for (const MemoryRegion& region : process.memory) {
    if (!IsPrivate(region) || std::ranges::count(saved_regions_, region.start) != 0) continue;
    uint64_t end = region.start + region.size;
    bool whole = (region.flags & kWholeContents) != 0;
    auto runs = whole ? std::vector<PageRun>{{region.start, end}} : TRY(own.In(region.start, end));
    bool skip_zeros = region.kind == MemoryKind::kAnonymous;
    for (const PageRun& run : runs) wanted.push_back({run, skip_zeros, nullptr});
  }
  std::vector<PageRun> unreadable;
  TRY(WriteRuns(wanted, &source, writer, process.pages, unreadable));
  for (const PageRun& run : TRY(FindGuards(own, unreadable, process)))
    return Error(EIO, fmt::format("its memory {}", CantRead(run)), process.pid);
  copy_.reset();
  std::ranges::sort(process.pages, {}, &PageRange::start);
  return {};
}

// --- What mappings show ---

Status RegionFinder::AddRegions(const TaskMemory& memory, std::span<const Mapping> mappings,
                                ProcessState& process) {
  for (const Mapping& mapping : mappings) {
    if (mapping.is_vsyscall()) continue;
    MemoryRegion region{.start = mapping.start,
                        .size = mapping.size(),
                        .prot = mapping.prot,
                        .offset = mapping.offset,
                        .name = mapping.name};
    region.kind = FindObject(memory, mapping, region);
    process.memory.push_back(std::move(region));
  }
  return {};
}

// A file whose name is gone may have another in the same directory: sem_open(3) makes one under a
// name of its own first. Who has that mapped has the same file.
Mapping RegionFinder::UnderOtherName(pid_t pid, const Mapping& mapping) {
  constexpr std::string_view kDeleted = " (deleted)";
  Mapping named = mapping;
  if (!named.name.ends_with(kDeleted) || !IsNameless(mapping)) return named;
  named.name.resize(named.name.size() - kDeleted.size());
  auto [other, is_new] = other_names_.try_emplace(std::pair(mapping.device, mapping.inode));
  if (is_new) {
    std::string directory = named.name.substr(0, named.name.rfind('/') + 1);
    std::string path = fmt::format("/proc/{}/root{}", pid, directory);
    DIR* entries = opendir(path.c_str());
    while (dirent* entry = entries == nullptr ? nullptr : readdir(entries)) {
      struct stat status {};
      if (entry->d_ino == mapping.inode && stat((path + entry->d_name).c_str(), &status) == 0 &&
          status.st_ino == mapping.inode && status.st_dev == mapping.device)
        other->second = directory + entry->d_name;
    }
    if (entries != nullptr) closedir(entries);
  }
  named.name = other->second.empty() ? mapping.name : other->second;
  return named;
}

MemoryKind RegionFinder::FindObject(const TaskMemory& memory, const Mapping& shown,
                                    MemoryRegion& region) {
  Mapping mapping = UnderOtherName(memory.pid(), shown);
  if (mapping.is_vdso() || mapping.is_vvar()) return MemoryKind::kKernel;
  if (!mapping.is_file()) return MemoryKind::kAnonymous;
  if (!IsNameless(mapping)) {
    std::pair identity(mapping.device, mapping.inode);
    auto known = files_.find(identity);
    if (known == files_.end()) {
      struct stat status {};
      Fd file = OpenMappedFile(memory.pid(), memory, mapping, &status);
      if (file && IsZeroDevice(status) && !mapping.shared) {
        region.offset = 0;
        return MemoryKind::kAnonymous;
      }
      if (file) {
        auto index = static_cast<uint32_t>(image_.mapped_files.size());
        image_.mapped_files.push_back(NamedFileOf(mapping.name, status));
        known = files_.emplace(identity, index).first;
      }
    }
    if (known != files_.end()) {
      region.object = known->second;
      region.name = mapping.name;
      return mapping.shared ? MemoryKind::kSharedFile : MemoryKind::kFile;
    }
  }
  // A private mapping of something that can't be opened again: all that it shows is kept.
  if (!mapping.shared) {
    region.offset = 0;
    region.flags |= IsHugeName(mapping.name) ? kHugeTlb : kWholeContents;
    return MemoryKind::kAnonymous;
  }
  region.object = objects_.IndexOf(mapping.device, mapping.inode, mapping.name);
  objects_.ShownBy(region.object, memory.pid(), mapping.start, mapping.size(), mapping.offset);
  return MemoryKind::kSharedObject;
}

}  // namespace retake
