#include "replay/code_place.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "arch/code.h"
#include "stub/layout.h"

namespace retake {
namespace {

// Lowest address that is looked at: well above what vm.mmap_min_addr forbids.
constexpr uint64_t kLowest = 1 << 20;
// Kept free below each mapping: it may be a stack that grows.
constexpr uint64_t kStackRoom = 32 << 20;
// Smaller reservations may be guards of stacks, whose faults the program may wait for; the ends of
// larger ones may be, too.
constexpr uint64_t kLeastReservation = 16 << 20;
constexpr uint64_t kReservationEnds = 1 << 20;

uint64_t PageSize() {
  static const auto size = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  return size;
}

// An address in [begin, limit) that is no farther than `reach`, and to which a jump at `site` may
// lead.
std::optional<uint64_t> TargetIn(uint64_t begin, uint64_t limit, uint64_t site, uint64_t size,
                                 uint64_t reach) {
  begin = std::max({begin, kLowest, site > reach ? site - reach : 0});
  begin = (begin + PageSize() - 1) & ~(PageSize() - 1);
  limit = std::min(limit, site + reach);
  if (begin >= limit) return std::nullopt;
  return machine::PickJumpTarget(site, begin, limit, size);
}

std::optional<uint64_t> TargetInGap(std::span<const Mapping> mappings, uint64_t site, uint64_t size,
                                    uint64_t reach) {
  uint64_t free_from = kLowest;
  auto before = [&](uint64_t start, uint64_t room) -> std::optional<uint64_t> {
    if (start <= free_from + room) return std::nullopt;
    return TargetIn(free_from, start - room, site, size, reach);
  };
  bool reserved_seen = false;
  for (const Mapping& mapping : mappings) {
    if (!reserved_seen && mapping.end > kStubAddress) {
      if (auto target = before(std::min(mapping.start, kStubAddress), 0)) return target;
      free_from = std::max(free_from, kReservedEnd);
      reserved_seen = true;
    }
    if (auto target = before(mapping.start, kStackRoom)) return target;
    free_from = std::max(free_from, mapping.end);
  }
  return std::nullopt;
}

bool IsReservation(const Mapping& mapping) {
  bool ours = mapping.start < kReservedEnd && mapping.end > kStubAddress;
  return mapping.prot == PROT_NONE && !mapping.shared && !mapping.is_file() &&
         mapping.name.empty() && mapping.size() >= kLeastReservation && !ours;
}

bool WasNeverWritten(const TaskMemory& memory, uint64_t target, uint64_t size) {
  std::vector<uint8_t> content(size);
  return memory.Read(target & ~(PageSize() - 1), content.data(), size) &&
         std::ranges::all_of(content, [](uint8_t byte) { return byte == 0; });
}

std::optional<uint64_t> TargetInReservation(std::span<const Mapping> mappings,
                                            const TaskMemory& memory, uint64_t site, uint64_t size,
                                            uint64_t reach) {
  for (const Mapping& mapping : mappings) {
    if (!IsReservation(mapping)) continue;
    std::optional<uint64_t> target = TargetIn(mapping.start + kReservationEnds,
                                              mapping.end - kReservationEnds, site, size, reach);
    if (target && WasNeverWritten(memory, *target, size)) return target;
  }
  return std::nullopt;
}

Status Check(const BatchCall& call, uint64_t expected, const char* what) {
  if (call.result == expected) return {};
  return Error(CallFailed(call.result) ? static_cast<int>(-call.result) : EEXIST,
               fmt::format("can't {} memory for code", what));
}

}  // namespace

CodePlace::CodePlace(uint64_t target, uint64_t size, bool reserved)
    : target_(target), address_(target & ~(PageSize() - 1)), size_(size), reserved_(reserved) {}

std::optional<CodePlace> CodePlace::Pick(std::span<const Mapping> mappings,
                                         const TaskMemory& memory, uint64_t site, uint64_t size,
                                         uint64_t reach) {
  // The target may be anywhere in the first page.
  size = ((size + PageSize() - 1) / PageSize() + 1) * PageSize();
  if (auto target = TargetInGap(mappings, site, size, reach))
    return CodePlace(*target, size, false);
  auto target = TargetInReservation(mappings, memory, site, size, reach);
  if (target) return CodePlace(*target, size, true);
  return std::nullopt;
}

Status CodePlace::Fill(RemoteCalls& calls, const TaskMemory& memory, ByteSpan code) const {
  BatchCall get =
      reserved_ ? MakeCall(Sys::mprotect, address_, size_, PROT_READ | PROT_WRITE)
                : MakeCall(Sys::mmap, address_, size_, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, ~uint64_t{0}, 0);
  TRY(calls.Run({&get, 1}));
  TRY(Check(get, reserved_ ? 0 : address_, "get"));
  Status filled = [&]() -> Status {
    TRY(memory.Write(target_, code));
    BatchCall protect = MakeCall(Sys::mprotect, address_, size_, PROT_READ | PROT_EXEC);
    TRY(calls.Run({&protect, 1}));
    return Check(protect, 0, "make executable");
  }();
  if (!filled.ok()) TRY(GiveBack(calls, memory));
  return filled;
}

Status CodePlace::GiveBack(RemoteCalls& calls, const TaskMemory& memory) const {
  if (!reserved_) {
    BatchCall unmap = MakeCall(Sys::munmap, address_, size_);
    TRY(calls.Run({&unmap, 1}));
    return Check(unmap, 0, "unmap");
  }
  BatchCall back[] = {MakeCall(Sys::mprotect, address_, size_, PROT_READ | PROT_WRITE),
                      MakeCall(Sys::madvise, address_, size_, MADV_DONTNEED)};
  TRY(calls.Run(back));
  TRY(Check(back[0], 0, "give back"));
  // Locked memory can't be dropped.
  if (back[1].result != 0) TRY(memory.Write(address_, std::vector<uint8_t>(size_)));
  BatchCall protect = MakeCall(Sys::mprotect, address_, size_, PROT_NONE);
  TRY(calls.Run({&protect, 1}));
  return Check(protect, 0, "give back");
}

}  // namespace retake
