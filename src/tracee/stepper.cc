#include "tracee/stepper.h"

#include <algorithm>

#include "tracee/code_patch.h"
#include "tracee/ptrace.h"
#include "tracee/remote_calls.h"

namespace retake {
namespace {

// No page is smaller.
constexpr int kPageShift = 12;

// Whether a SIGTRAP stop is one that the kernel made (a step, a breakpoint), not a signal that
// somebody sent.
Result<bool> IsTrap(pid_t pid) {
  siginfo_t info;
  TRY(ptracer::GetSiginfo(pid, info));
  return info.si_code > 0;
}

}  // namespace

const machine::InstructionInfo& Stepper::InfoAt(uint64_t pc) {
  auto [place, added] = known_.try_emplace(pc);
  if (added) {
    uint8_t code[machine::kMaxInstruction];
    size_t got = memory_.ReadSome(pc, code, sizeof code);
    place->second = machine::DecodeInstruction(pc, ByteSpan(code, got));
    code_pages_.insert(pc >> kPageShift);
    code_pages_.insert((pc + sizeof code) >> kPageShift);
  }
  return place->second;
}

void Stepper::DropOverwrittenCode(const machine::InstructionInfo& info,
                                  const Registers& registers) {
  bool drop = info.unknown_writes;
  for (int i = 0; i < info.write_count && !drop; ++i) {
    uint64_t first = info.writes[i].AddressIn(registers);
    uint64_t last = first + info.writes[i].size - 1;
    drop = code_pages_.contains(first >> kPageShift) || code_pages_.contains(last >> kPageShift);
  }
  if (drop) Forget();
}

Result<StepOutcome> Stepper::Step(Registers& registers) {
  uint64_t pc = Pc(registers);
  machine::InstructionInfo info = InfoAt(pc);
  switch (info.kind) {
    case machine::StepKind::kSyscall:
      return StepOutcome::kBeforeCall;
    case machine::StepKind::kRefused:
      return StepOutcome::kRefused;
    case machine::StepKind::kExclusive: {
      std::vector<uint8_t> code(machine::kMaxExclusiveBytes);
      code.resize(memory_.ReadSome(pc, code.data(), code.size()));
      std::vector<uint64_t> exits = machine::ExclusiveExits(pc, code);
      if (!exits.empty()) return RunToExit(exits, registers);
      break;
    }
    case machine::StepKind::kPlain:
      break;
  }
  if (info.unknown_writes || info.write_count > 0) DropOverwrittenCode(info, registers);
  TRY(ptracer::Resume(pid_, ResumeKind::kStep));
  status_ = *TRY(ptracer::WaitOne(pid_, -1));
  if (status_.gone()) return StepOutcome::kStopped;
  TRY(ptracer::GetRegisters(pid_, registers));
  if (status_.kind() != StopKind::kSignal || status_.signal() != SIGTRAP) {
    return StepOutcome::kStopped;
  }
  if (Pc(registers) == pc && !info.repeats && !TRY(IsTrap(pid_))) return StepOutcome::kStopped;
  if (info.stores_flags) {
    uint64_t flags = 0;
    if (memory_.ReadValue(Sp(registers), &flags)) {
      flags = machine::ClearStoredStepFlag(flags);
      TRY(memory_.Write(Sp(registers), {reinterpret_cast<uint8_t*>(&flags), sizeof flags}));
    }
  }
  return StepOutcome::kStepped;
}

Result<StepOutcome> Stepper::StepWhole(Registers& registers) {
  uint64_t pc = Pc(registers);
  machine::InstructionInfo info = InfoAt(pc);
  if (info.kind != machine::StepKind::kPlain || !info.repeats) return Step(registers);
  // Its writes are as many as a register says.
  Forget();
  return RunToExit({pc + info.length}, registers);
}

Result<StepOutcome> Stepper::RunToExit(const std::vector<uint64_t>& exits, Registers& registers) {
  std::vector<CodePatch> breakpoints;
  Result<StepOutcome> outcome = [&]() -> Result<StepOutcome> {
    for (uint64_t exit : exits) {
      breakpoints.push_back(TRY(CodePatch::PutBreakpoint(memory_, exit)));
    }
    TRY(ptracer::Resume(pid_, ResumeKind::kContinue));
    status_ = *TRY(ptracer::WaitOne(pid_, -1));
    if (status_.gone()) return StepOutcome::kStopped;
    TRY(ptracer::GetRegisters(pid_, registers));
    bool trap = status_.kind() == StopKind::kSignal && status_.signal() == SIGTRAP;
    uint64_t at = Pc(registers) - machine::BreakpointPcOffset();
    if (!trap || std::find(exits.begin(), exits.end(), at) == exits.end()) {
      return StepOutcome::kStopped;
    }
    if (at != Pc(registers)) {
      SetPc(registers, at);
      TRY(ptracer::SetRegisters(pid_, registers));
    }
    return StepOutcome::kStepped;
  }();
  if (!status_.gone()) {
    for (const CodePatch& breakpoint : breakpoints) {
      if (Status removed = breakpoint.Remove(memory_); !removed.ok() && outcome.ok()) {
        return removed.TakeError();
      }
    }
  }
  return outcome;
}

}  // namespace retake
