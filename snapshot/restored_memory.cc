// RestoredProcess: the part that rebuilds memory.
#include <fcntl.h>
#include <linux/prctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "base/features.h"
#include "base/syscall.h"
#include "snapshot/huge_pages.h"
#include "snapshot/restored_process.h"
#include "tracee/ptrace.h"

namespace retake {
namespace {

constexpr uint64_t kAccess = PROT_READ | PROT_WRITE | PROT_EXEC;

bool HasOwnKey(const MemoryRegion& region) {
  return region.protection_key != 0 && !region.has_kernels_key();
}

bool IsKernels(const Mapping& mapping) { return mapping.is_vdso() || mapping.is_vvar(); }

// Advice that smaps showed as a flag, <linux/mman.h>.
struct Advice {
  uint64_t flag;
  int advice;
};
constexpr Advice kAdvice[] = {
    {kHugePages, MADV_HUGEPAGE},    {kNoHugePages, MADV_NOHUGEPAGE}, {kDontFork, MADV_DONTFORK},
    {kWipeOnFork, MADV_WIPEONFORK}, {kDontDump, MADV_DONTDUMP},      {kMergeable, MADV_MERGEABLE},
    {kSequential, MADV_SEQUENTIAL}, {kRandom, MADV_RANDOM},
};

// MADV_GUARD_INSTALL of <asm-generic/mman-common.h>, Linux 6.13.
constexpr uint64_t kGuardInstall = 102;

// <linux/mman.h>, Linux 6.11.
constexpr int kMapDroppable = 0x08;

}  // namespace

Status RestoredProcess::BuildMemory(const CheckpointImage& image, const ProcessState& state,
                                    CheckpointReader& pages) {
  std::vector<Mapping> mappings = TRY(ReadMappings(pid_));
  TRY(EmptyMemory(mappings));
  std::erase_if(mappings, [](const Mapping& mapping) { return !IsKernels(mapping); });
  TRY(PlaceKernelRegions(image, state, mappings));
  TRY(MapRegions(state));
  TRY(SetPolicies(state));
  std::vector<PageRange> at_once;
  TRY(StartPager(ChooseLazyMemory(state, at_once), pages, at_once));
  TRY(FillPages(std::move(at_once), pages));
  TRY(ProtectRegions(state));
  int executable = -1;
  for (size_t i = 0; i < image.mapped_files.size(); ++i) {
    if (image.mapped_files[i].path == state.executable.path) executable = material_.mapped_files[i];
  }
  TRY(SetLayout(state, executable));
  return SealRegions(state);
}

Status RestoredProcess::EmptyMemory(const std::vector<Mapping>& mappings) {
  std::vector<BatchCall> calls;
  for (const Mapping& mapping : mappings) {
    bool stub =
        mapping.start < material_.stub + (kStubEnd - kStubAddress) && mapping.end > material_.stub;
    if (mapping.is_vsyscall() || IsKernels(mapping) || stub) continue;
    calls.push_back(MakeCall(Sys::munmap, mapping.start, mapping.size()));
  }
  return Run(calls, "can't empty the husk");
}

Status RestoredProcess::MapRegions(const ProcessState& state) {
  std::vector<BatchCall> calls, huge;
  for (const MemoryRegion& region : state.memory) {
    uint64_t flags = MAP_FIXED_NOREPLACE;
    uint64_t fd = ~uint64_t{0};
    uint64_t prot = region.prot & kAccess;
    if ((region.flags & kNoReserve) != 0) flags |= MAP_NORESERVE;
    if ((region.flags & kGrowsDown) != 0) flags |= MAP_GROWSDOWN;
    switch (region.kind) {
      case MemoryKind::kKernel:
        continue;
      case MemoryKind::kAnonymous:
        flags |= MAP_ANONYMOUS;
        flags |= (region.flags & kDroppable) != 0 ? kMapDroppable : MAP_PRIVATE;
        if (region.huge_page_size != 0) flags |= MAP_HUGETLB | HugePageFlags(region.huge_page_size);
        prot |= PROT_READ | PROT_WRITE;
        break;
      case MemoryKind::kFile:
        flags |= MAP_PRIVATE;
        prot |= PROT_READ | PROT_WRITE;
        fd = static_cast<uint64_t>(material_.mapped_files[region.object]);
        break;
      case MemoryKind::kSharedFile:
        flags |= MAP_SHARED;
        fd = static_cast<uint64_t>(material_.mapped_files[region.object]);
        break;
      case MemoryKind::kSharedObject:
        flags |= MAP_SHARED;
        fd = static_cast<uint64_t>(material_.shared_objects[region.object]);
        break;
    }
    uint64_t offset = fd == ~uint64_t{0} ? 0 : region.offset;
    (region.huge_page_size == 0 ? calls : huge)
        .push_back(MakeCall(Sys::mmap, region.start, region.size, prot, flags, fd, offset));
  }
  TRY(Run(calls, "can't map its memory"));
  TRY(Run(huge,
          "can't map its memory of huge pages, of which too few may be set aside "
          "(vm.nr_hugepages)"));
  calls.insert(calls.end(), huge.begin(), huge.end());
  for (const BatchCall& call : calls) {
    if (call.result != call.args[0])
      return Error(0, fmt::format("can't map its memory at {:#x}", call.args[0]), pid_);
  }
  return {};
}

// Where that may not be, what should come later goes with the rest.
Status RestoredProcess::StartPager(LazyMemory memory, CheckpointReader& pages,
                                   std::vector<PageRange>& at_once) {
  if (memory.pages.empty()) return {};
  uint64_t number = TRY(Call(MakeCall(Sys::userfaultfd, O_CLOEXEC | O_NONBLOCK)));
  Fd userfaultfd;
  if (!CallFailed(number)) {
    Fd pidfd(PidfdOpen(pid_));
    if (MayUse(Feature::kPidfdGetfd))
      userfaultfd.Reset(PidfdGetfd(pidfd.get(), static_cast<int>(number)));
    TRY(Call(MakeCall(Sys::close, number)));
  }
  if (!userfaultfd || !Pager::MayServe(userfaultfd)) {
    for (std::span<const PageRange> run : memory.pages)
      at_once.insert(at_once.end(), run.begin(), run.end());
    return {};
  }
  pager_ =
      TRY(Pager::Start(std::move(userfaultfd), std::move(memory), pages, pid_, material_.in_front));
  return {};
}

Status RestoredProcess::FillPages(std::vector<PageRange> ranges, CheckpointReader& pages) {
  // By block, so that each is read once; zeros come last.
  std::ranges::stable_sort(ranges, {}, &PageRange::block);
  auto zeros = std::ranges::lower_bound(ranges, kZeroBlock, {}, &PageRange::block);
  auto fill = [this](std::span<const PageRange> of_block, auto&& bytes_of) -> Status {
    std::vector<TaskMemory::Output> outputs;
    for (const PageRange& range : of_block) outputs.push_back({range.start, TRY(bytes_of(range))});
    return memory_.Scatter(outputs);
  };
  TRY(pages.ReadByBlock(
      {ranges.begin(), zeros}, [&](std::span<const PageRange> of_block, PageReader& reader) {
        return fill(of_block, [&](const PageRange& range) { return reader.Bytes(range); });
      }));
  if (zeros == ranges.end()) return {};
  auto smaller = [](const PageRange& a, const PageRange& b) { return a.size < b.size; };
  const std::vector<uint8_t> zero(std::max_element(zeros, ranges.end(), smaller)->size);
  return fill({zeros, ranges.end()}, [&](const PageRange& range) -> Result<ByteSpan> {
    return ByteSpan(zero).first(range.size);
  });
}

// Allocated are the lowest, one after the other, up to the last one needed.
Result<uint64_t> RestoredProcess::AllocateKeys(const ProcessState& state) {
  uint64_t needed = state.protection_keys;
  for (const MemoryRegion& region : state.memory) {
    if (region.protection_key >= kProtectionKeys)
      return Error(0, fmt::format("it has protection key {}: damaged", region.protection_key),
                   pid_);
    if (HasOwnKey(region)) needed |= uint64_t{1} << region.protection_key;
  }
  uint64_t allocated = 0;
  for (uint64_t key = 1; needed >> key != 0; ++key) {
    if (TRY(Call(MakeCall(Sys::pkey_alloc))) != key)
      return Error(0, "it has protection keys, and this machine doesn't give as many", pid_);
    allocated |= uint64_t{1} << key;
  }
  return allocated;
}

Status RestoredProcess::ProtectRegions(const ProcessState& state) {
  uint64_t allocated = TRY(AllocateKeys(state));
  std::vector<BatchCall> calls;
  for (const MemoryRegion& region : state.memory) {
    bool is_private = region.kind == MemoryKind::kAnonymous || region.kind == MemoryKind::kFile;
    uint64_t prot = region.prot & kAccess;
    if (HasOwnKey(region)) {
      calls.push_back(
          MakeCall(Sys::pkey_mprotect, region.start, region.size, prot, region.protection_key));
    } else if (is_private && prot != (prot | PROT_READ | PROT_WRITE)) {
      calls.push_back(MakeCall(Sys::mprotect, region.start, region.size, prot));
    }
    if (region.kind == MemoryKind::kKernel) continue;
    for (const Advice& advice : kAdvice) {
      if ((region.flags & advice.flag) == 0) continue;
      calls.push_back(
          MakeCall(Sys::madvise, region.start, region.size, static_cast<uint64_t>(advice.advice)));
    }
    if ((region.flags & kLockedOnFault) != 0) {
      calls.push_back(MakeCall(Sys::mlock2, region.start, region.size, MLOCK_ONFAULT));
    } else if ((region.flags & kLocked) != 0) {
      calls.push_back(MakeCall(Sys::mlock, region.start, region.size));
    }
  }
  for (const GuardRange& guard : state.guards)
    calls.push_back(MakeCall(Sys::madvise, guard.start, guard.size, kGuardInstall));
  for (uint64_t key = 1; allocated >> key != 0; ++key) {
    if ((state.protection_keys >> key & 1) == 0) calls.push_back(MakeCall(Sys::pkey_free, key));
  }
  return Run(calls, "can't protect its memory");
}

// Before there is anything in it, which would stay where it is.
Status RestoredProcess::SetPolicies(const ProcessState& state) {
  for (const MemoryPolicy& policy : state.policies) {
    uint64_t result = TRY(CallWith(policy.nodes, MakeCall(Sys::mbind, policy.start, policy.size,
                                                          policy.mode, scratch(), kMaxNodes)));
    if (!CallFailed(result)) continue;
    return Error(
        static_cast<int>(-result),
        fmt::format("can't set the NUMA nodes that memory at {:#x} comes from", policy.start),
        pid_);
  }
  return {};
}

// When nothing of them is to change any more.
Status RestoredProcess::SealRegions(const ProcessState& state) {
  std::vector<BatchCall> calls;
  for (const MemoryRegion& region : state.memory) {
    if ((region.flags & kSealed) != 0 && region.kind != MemoryKind::kKernel)
      calls.push_back(MakeCall(Sys::mseal, region.start, region.size, 0));
  }
  return Run(calls, "can't seal its memory as it was (mseal, Linux 6.10)");
}

Status RestoredProcess::SetLayout(const ProcessState& state, int executable) {
  const ProgramLayout& layout = state.layout;
  std::vector<uint8_t> bytes(sizeof(prctl_mm_map));
  prctl_mm_map map{};
  map.start_code = layout.start_code;
  map.end_code = layout.end_code;
  map.start_data = layout.start_data;
  map.end_data = layout.end_data;
  map.start_brk = layout.start_brk;
  map.brk = layout.brk;
  map.start_stack = layout.start_stack;
  map.arg_start = layout.arg_start;
  map.arg_end = layout.arg_end;
  map.env_start = layout.env_start;
  map.env_end = layout.env_end;
  map.auxv = reinterpret_cast<__u64*>(scratch() + sizeof map);
  map.auxv_size = static_cast<uint32_t>(layout.auxv.size());
  if (material_.rights == Rights::kNone) executable = -1;
  map.exe_fd = static_cast<uint32_t>(executable);
  memcpy(bytes.data(), &map, sizeof map);
  bytes.insert(bytes.end(), layout.auxv.begin(), layout.auxv.end());
  uint64_t result = TRY(
      CallWith(bytes, MakeCall(Sys::prctl, PR_SET_MM, PR_SET_MM_MAP, scratch(), sizeof map, 0)));
  if (result != 0) {
    return Error(static_cast<int>(-result), "can't tell the kernel where its program's parts are",
                 pid_);
  }
  return {};
}

}  // namespace retake
