#include "replay/compare_trampoline.h"

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

}  // namespace

Result<CompareTrampoline> CompareTrampoline::Install(pid_t pid, TaskMemory& memory,
                                                     const StateMark& mark, Words words,
                                                     const Registers& registers,
                                                     std::optional<size_t> first) {
  CompareTrampoline trampoline;
  uint64_t site = Pc(mark.registers);
  uint8_t original[4 * machine::kMaxInstruction];
  size_t got = memory.ReadSome(site, original, sizeof original);
  std::vector<Mapping> mappings = TRY(ReadMappings(pid));
  std::optional<machine::RegisterValue> telling;
  if (first) telling = {*first, mark.registers.words[*first]};
  // What the code refers to is in reach of the site, and perhaps not of a place that is far away.
  for (uint64_t part : {16, 4, 1}) {
    auto place = CodePlace::Pick(mappings, memory, site, machine::kMaxCompareCode,
                                 machine::JumpReach() / part);
    if (!place) continue;
    auto built = machine::BuildCompare(site, ByteSpan(original, got), place->target(), kDataAddress,
                                       telling);
    if (!built.ok() && part > 1) continue;
    trampoline.code_ = TRY(std::move(built));
    trampoline.place_ = place;
    break;
  }
  if (!trampoline.place_) return MakeError("no room is within a jump's reach of {:#x}", site);
  trampoline.jump_ = machine::Jump(site, trampoline.place_->target());
  got = std::min(got, std::max(trampoline.code_.moved.consumed, trampoline.jump_.size()));
  trampoline.original_.assign(original, original + got);

  SignalsHeld held = TRY(SignalsHeld::Hold(pid));
  RemoteCalls calls(pid, memory, registers);
  Status status = trampoline.place_->Fill(calls, memory, trampoline.code_.bytes);
  if (status.ok()) {
    status = [&]() -> Status {
      TRY(memory.Write(kDataAddress, std::vector<uint8_t>(machine::kCompareDataBytes)));
      trampoline.patch_ = TRY(CodePatch::Put(memory, site, trampoline.jump_));
      Status expected = trampoline.Expect(memory, mark, words, registers);
      if (!expected.ok()) TRY(trampoline.Disarm(memory));
      return expected;
    }();
    if (!status.ok()) TRY(trampoline.place_->GiveBack(calls, memory));
  }
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
  Status given_back = place_->GiveBack(calls, memory);
  TRY(ptracer::SetRegisters(pid, registers));
  return given_back;
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
