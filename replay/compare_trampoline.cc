#include "replay/compare_trampoline.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <iterator>

#include "stub/layout.h"
#include "tracee/maps.h"
#include "tracee/ptrace.h"
#include "tracee/remote_calls.h"

namespace retake {
namespace {

// The last page of the stub's scratch space, which is used only while calls are injected.
constexpr uint64_t kDataAddress = kStubScratchAddress + kStubScratchSize - 4096;
static_assert(machine::kCompareDataBytes <= 4096);

// Lowest address that is looked at: well above what vm.mmap_min_addr forbids.
constexpr uint64_t kLowest = 1 << 20;
// Kept free below each mapping: it may be a stack that grows.
constexpr uint64_t kStackRoom = 32 << 20;

uint64_t PageSize() {
  static const auto size = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  return size;
}

// An address in a gap of the address space, no farther than `reach`, to which a jump at `site` may
// lead.
std::optional<uint64_t> PickTarget(std::span<const Mapping> mappings, uint64_t site, uint64_t size,
                                   uint64_t reach) {
  uint64_t low = std::max(kLowest, site > reach ? site - reach : 0);
  uint64_t end = site + reach;
  auto in_gap = [&](uint64_t begin, uint64_t limit) -> std::optional<uint64_t> {
    limit = std::min(limit, end);
    begin = std::max(begin, low);
    begin = (begin + PageSize() - 1) & ~(PageSize() - 1);
    if (begin >= limit) return std::nullopt;
    return machine::PickJumpTarget(site, begin, limit, size);
  };
  uint64_t free_from = kLowest;
  auto before = [&](uint64_t start, uint64_t room) -> std::optional<uint64_t> {
    if (start <= free_from + room) return std::nullopt;
    return in_gap(free_from, start - room);
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

Status Check(const BatchCall& call, uint64_t expected, const char* what) {
  if (call.result == expected) return {};
  return Error(CallFailed(call.result) ? static_cast<int>(-call.result) : EEXIST,
               fmt::format("can't {} a trampoline", what));
}

}  // namespace

Result<CompareTrampoline> CompareTrampoline::Install(pid_t pid, TaskMemory& memory,
                                                     const StateMark& mark, Words words,
                                                     const Registers& registers,
                                                     std::optional<size_t> first) {
  CompareTrampoline trampoline;
  uint64_t site = Pc(mark.registers);
  uint8_t original[4 * machine::kMaxInstruction];
  size_t got = memory.ReadSome(site, original, sizeof original);
  uint64_t pages = (machine::kMaxCompareCode + PageSize() - 1) / PageSize() + 1;
  trampoline.size_ = pages * PageSize();
  std::vector<Mapping> mappings = TRY(ReadMappings(pid));
  std::optional<machine::RegisterValue> telling;
  if (first) telling = {*first, mark.registers.words[*first]};
  std::optional<uint64_t> target;
  // What the code refers to is in reach of the site, and perhaps not of a place that is far away.
  for (uint64_t part : {16, 4, 1}) {
    target = PickTarget(mappings, site, trampoline.size_, machine::JumpReach() / part);
    if (!target) continue;
    auto built =
        machine::BuildCompare(site, ByteSpan(original, got), *target, kDataAddress, telling);
    if (!built.ok() && part > 1) continue;
    trampoline.code_ = TRY(std::move(built));
    break;
  }
  if (!target) return MakeError("no gap is within a jump's reach of {:#x}", site);
  trampoline.jump_ = machine::Jump(site, *target);
  got = std::min(got, std::max(trampoline.code_.moved.consumed, trampoline.jump_.size()));
  trampoline.original_.assign(original, original + got);
  trampoline.address_ = *target & ~(PageSize() - 1);

  SignalsHeld held = TRY(SignalsHeld::Hold(pid));
  RemoteCalls calls(pid, memory, registers);
  Status status = [&]() -> Status {
    BatchCall map =
        MakeCall(Sys::mmap, trampoline.address_, trampoline.size_, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, ~uint64_t{0}, 0);
    TRY(calls.Run({&map, 1}));
    TRY(Check(map, trampoline.address_, "map"));
    TRY(memory.Write(*target, trampoline.code_.bytes));
    BatchCall protect =
        MakeCall(Sys::mprotect, trampoline.address_, trampoline.size_, PROT_READ | PROT_EXEC);
    TRY(calls.Run({&protect, 1}));
    TRY(Check(protect, 0, "make executable"));
    TRY(memory.Write(kDataAddress, std::vector<uint8_t>(machine::kCompareDataBytes)));
    trampoline.patch_ = TRY(CodePatch::Put(memory, site, trampoline.jump_));
    Status expected = trampoline.Expect(memory, mark, words, registers);
    if (!expected.ok()) TRY(trampoline.Disarm(memory));
    return expected;
  }();
  TRY(ptracer::SetRegisters(pid, registers));
  if (!status.ok()) return status.TakeError();
  return trampoline;
}

Status CompareTrampoline::Remove(pid_t pid, TaskMemory& memory, const Registers& registers) {
  TRY(Disarm(memory));
  return Unmap(pid, memory, registers);
}

Status CompareTrampoline::Unmap(pid_t pid, TaskMemory& memory, const Registers& registers) {
  SignalsHeld held = TRY(SignalsHeld::Hold(pid));
  RemoteCalls calls(pid, memory, registers);
  BatchCall unmap = MakeCall(Sys::munmap, address_, size_);
  TRY(calls.Run({&unmap, 1}));
  TRY(ptracer::SetRegisters(pid, registers));
  return Check(unmap, 0, "unmap");
}

bool CompareTrampoline::IsOf(const TaskMemory& memory) const {
  std::vector<uint8_t> code(original_.size());
  return memory.Read(patch_->address(), code.data(), code.size()) && code == original_;
}

uint64_t CompareTrampoline::OriginalPc(uint64_t pc) const {
  for (const machine::MovedCode::Place& place : code_.moved.places) {
    if (code_.resume_pc + place.offset == pc) return place.original;
  }
  return pc;
}

Status CompareTrampoline::Expect(const TaskMemory& memory, const StateMark& mark, Words words,
                                 const Registers& registers) {
  passings_ = Passings(memory);
  // Where the jump is, the program's own code isn't; it may be mapped elsewhere, too.
  auto read = [&](const machine::WordValue& word) {
    uint64_t value = 0;
    memory.ReadValue(word.address, &value);
    return value;
  };
  std::vector<uint64_t> without;
  TRY(Disarm(memory));
  std::ranges::transform(words, std::back_inserter(without), read);
  TRY(Arm(memory));
  std::vector<machine::WordValue> compared;
  for (size_t i = 0; i < words.size(); ++i) {
    if (read(words[i]) == without[i]) compared.push_back(words[i]);
  }
  return memory.Write(kDataAddress, machine::CompareData(kDataAddress, mark.registers, mark.vector,
                                                         compared, registers));
}

uint64_t CompareTrampoline::Passings(const TaskMemory& memory) const {
  std::vector<uint8_t> data(machine::kCompareDataBytes);
  if (!memory.Read(kDataAddress, data.data(), data.size())) return passings_;
  return passings_ + machine::ComparedPassings(data);
}

}  // namespace retake
