// RestoredProcess: the part that puts the kernel's own mappings, the vDSO and what it reads, where
// the program expects them.
//
// On a kernel with another vDSO, that stays whole at a place of its own, and where the program's
// was there is a copy of the old one whose functions go on in the new one: what a program has found
// in its vDSO, by name, it calls by address.
#include <sys/mman.h>

#include <algorithm>
#include <vector>

#include "snapshot/address_space.h"
#include "snapshot/restored_process.h"

namespace retake {
namespace {

std::vector<MemoryRegion> KernelRegions(const ProcessState& state) {
  std::vector<MemoryRegion> regions;
  std::ranges::copy_if(state.memory, std::back_inserter(regions), [](const MemoryRegion& region) {
    return region.kind == MemoryKind::kKernel;
  });
  return regions;
}

bool HasSameLayout(std::span<const MemoryRegion> wanted, std::span<const Mapping> present) {
  return std::ranges::equal(wanted, present, [](const MemoryRegion& a, const Mapping& b) {
    return a.size == b.size() && a.name == b.name;
  });
}

}  // namespace

Status RestoredProcess::PlaceKernelRegions(const CheckpointImage& image, const ProcessState& state,
                                           std::span<const Mapping> present) {
  std::vector<MemoryRegion> wanted = KernelRegions(state);
  const Mapping* vdso = FindVdso(present);
  std::vector<uint8_t> bytes(vdso == nullptr ? 0 : vdso->size());
  if (vdso != nullptr && !memory_.Read(vdso->start, bytes.data(), bytes.size()))
    return Error(0, "its vDSO can't be read", pid_);
  std::vector<Move> moves;
  if (bytes == image.requirements.vdso && HasSameLayout(wanted, present)) {
    for (size_t i = 0; i < wanted.size(); ++i)
      moves.push_back({present[i].start, wanted[i].start, wanted[i].size});
    return MoveMappings(moves, state);
  }
  // All of them keep their distances: code in one reads what is in others.
  uint64_t first = present.empty() ? 0 : present.front().start;
  uint64_t size = present.empty() ? 0 : present.back().end - first;
  AddressSpace taken;
  for (const MemoryRegion& region : state.memory) taken.Add(region.start, region.size);
  taken.Add(material_.stub, kStubEnd - kStubAddress);
  uint64_t place = taken.IsFree(first, size) ? first : taken.FindFree(size);
  for (const Mapping& mapping : present) {
    if (place != first)
      moves.push_back({mapping.start, mapping.start - first + place, mapping.size()});
  }
  TRY(MoveMappings(moves, state));
  return ForwardVdso(image, state, bytes, vdso == nullptr ? 0 : vdso->start - first + place);
}

Status RestoredProcess::MoveMappings(std::span<const Move> moves, const ProcessState& state) {
  AddressSpace old, taken;
  uint64_t total = 0;
  for (const Move& move : moves) {
    old.Add(move.from, move.size);
    taken.Add(move.from, move.size);
    taken.Add(move.to, move.size);
    total += move.size;
  }
  bool meets =
      std::ranges::any_of(moves, [&](const Move& move) { return !old.IsFree(move.to, move.size); });
  for (const MemoryRegion& region : state.memory) taken.Add(region.start, region.size);
  taken.Add(material_.stub, kStubEnd - kStubAddress);
  auto call = [](uint64_t from, uint64_t to, uint64_t size) {
    return MakeCall(Sys::mremap, from, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, to);
  };
  // Out of the way first, where a new place overlaps an old one.
  uint64_t aside = meets ? taken.FindFree(total) : 0;
  std::vector<BatchCall> calls;
  for (uint64_t at = aside; meets && calls.size() < moves.size();) {
    const Move& move = moves[calls.size()];
    calls.push_back(call(move.from, at, move.size));
    at += move.size;
  }
  for (const Move& move : moves) {
    calls.push_back(call(meets ? aside : move.from, move.to, move.size));
    aside += move.size;
  }
  return Run(calls, "can't move the vDSO");
}

Status RestoredProcess::ForwardVdso(const CheckpointImage& image, const ProcessState& state,
                                    ByteSpan vdso, uint64_t address) {
  std::vector<uint8_t> old = image.requirements.vdso;
  if (StandsInVdso(state)) {
    return Error(0,
                 fmt::format("it was taken on another kernel ({}), and within a function of that "
                             "kernel's vDSO: it can be restored there only",
                             image.requirements.kernel),
                 pid_);
  }
  auto patches = machine::VdsoForwards(old, vdso, address);
  if (!patches.ok()) {
    return Error(0,
                 fmt::format("it was taken on another kernel ({}), whose vDSO can't be led to this "
                             "one's: {}",
                             image.requirements.kernel, patches.error().Message()),
                 pid_);
  }
  for (const Patch& patch : *patches)
    std::ranges::copy(patch.bytes, old.begin() + static_cast<ptrdiff_t>(patch.offset));
  for (const MemoryRegion& region : KernelRegions(state)) {
    bool code = region.name == "[vdso]";
    std::vector<BatchCall> map = {
        MakeCall(Sys::mmap, region.start, region.size, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, ~uint64_t{0}, 0)};
    TRY(Run(map, "can't map the vDSO of another kernel"));
    if (code)
      TRY(memory_.Write(region.start, ByteSpan(old).first(std::min(old.size(), region.size))));
    // What the old functions read isn't read any more. It is there all the same, and zero: then
    // nothing is known of any clock.
    std::vector<BatchCall> protect = {
        MakeCall(Sys::mprotect, region.start, region.size, PROT_READ | (code ? PROT_EXEC : 0))};
    TRY(Run(protect, "can't protect the vDSO of another kernel"));
  }
  return {};
}

}  // namespace retake
