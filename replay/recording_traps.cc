// The recorder's view of instructions that trap: their answers, cpuid's trap, and, where nothing
// makes an instruction trap, what is put into the program's code in its place. Such a change of
// code is a write to memory like any other in the trace, so that a replay has the same code on any
// machine.
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <utility>

#include "base/fd.h"
#include "replay/recording.h"
#include "supervisor/own_traps.h"
#include "tracee/remote_calls.h"
#include "tracee/stepper.h"

namespace retake {
namespace {

PageRun PageOf(uint64_t address) {
  const auto size = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  uint64_t start = address & ~(size - 1);
  return {start, start + size};
}

}  // namespace

Status Recording::OnTrap(Task& task, TrapKind kind, const Registers& before,
                         const Registers& after) {
  Begin(task, kind == TrapKind::kCpuid ? EventKind::kCpuid : EventKind::kTimestamp);
  event_.before = before;
  event_.after = after;
  Write(task);
  return {};
}

// --- cpuid ---------------------------------------------------------------------------------------

Status Recording::TrapCpuid(Task& task, const Registers& registers) {
  State(task).cpuid_trapped = true;
  TRY(supervisor_->TrapCpuid(task, registers));
  AddCpuidTrap();
  return PlantTrapsIn(task, {0, UINT64_MAX}, {.cpuid = KindsToPlant(task).cpuid});
}

Status Recording::TrapCpuidInBoth(Task& parent, Task& child) {
  TaskState& from = State(parent);
  if (from.cpuid_trapped) return {};
  // A replay has one kernel thread for both, in which it either traps or doesn't.
  SignalsHeld guard = TRY(SignalsHeld::Hold(child.pid));
  TRY(TrapCpuid(child, child.last));
  from.must_trap_cpuid = true;
  return ptracer::SetRegisters(child.pid, child.last);
}

void Recording::AddCpuidTrap() {
  auto trap = machine::CpuidTrap(true);
  if (!trap || !supervisor_->cpuid_works()) return;
  event_.map_ops.push_back({.kind = MapOp::Kind::kRawCall,
                            .address = trap->args[0],
                            .size = trap->args[1],
                            .flags = static_cast<uint32_t>(HostArch().NumberOf(trap->sys))});
}

// --- Traps in code -------------------------------------------------------------------------------

TrapKinds Recording::KindsToPlant(const Task& task) {
  // Where there is no cpuid, nothing is looked for.
  bool must_plant_cpuid = machine::CpuidTrap(true) && !supervisor_->cpuid_works();
  return {.timestamp = !TimestampTrapWorks(),
          .cpuid = must_plant_cpuid && State(task).cpuid_trapped};
}

Status Recording::PlantTraps(Task& task, const MappedCode& code, int fd, const struct stat& status,
                             TrapKinds kinds) {
  for (const PlantedTrap& planted :
       TRY(planter_.Plant(task.process->memory, code, fd, status, kinds))) {
    AddPlanted(planted);
  }
  return {};
}

void Recording::AddPlanted(const PlantedTrap& planted) {
  std::span<uint8_t> out = event_.AddWrite(planted.address, planted.site.size);
  memcpy(out.data(), planted.site.trap.data(), out.size());
}

Status Recording::PlantTrapsIn(Task& task, const Range& range, TrapKinds kinds) {
  if (!kinds.any()) return {};
  return PlantTrapsIn(task, range, TRY(ReadMappings(task.pid)), kinds);
}

Status Recording::PlantTrapsIn(Task& task, const Range& range, const std::vector<Mapping>& mappings,
                               TrapKinds kinds) {
  if (!kinds.any()) return {};
  for (const Mapping& mapping : mappings) {
    bool is_code = mapping.is_file() && !mapping.shared && (mapping.prot & PROT_EXEC) != 0;
    bool within = mapping.end > range.address && mapping.start < range.address + range.size;
    if (!is_code || !within) continue;
    struct stat status {};
    Fd file = OpenMappedCode(task.pid, mapping, &status);
    if (!file) {
      Warn(
          fmt::format("{} can't be read any more; if its code reads the time-stamp counter, a "
                      "replay diverges there",
                      mapping.name));
      continue;
    }
    TRY(PlantTraps(task, {mapping.start, mapping.size(), mapping.offset}, file.get(), status,
                   kinds));
  }
  return {};
}

// --- Code that the program makes -----------------------------------------------------------------
//
// Where such code begins can't be told from the bytes of a page, nor when it is finished. So its
// pages are executable only once execution has come there, and what follows from that place on is
// looked at. A program may go on writing to a page of which it has executed a part: the Java
// virtual machine runs its first stub twice, then asks cpuid in another one right behind it. So the
// first executions in a process, if they are short, are stepped through, and the page is looked at
// again the next time. What is written to a page after that isn't.

// Whoever asks cpuid does so early, while there is little code.
constexpr int kFirstRuns = 8;
// One that takes longer isn't waited for. One step is a stop.
constexpr int kFirstRunSteps = 400;

void Recording::WithholdExecution(Task& task, MapEffect effect) {
  constexpr uint64_t kPlain = PROT_READ | PROT_WRITE | PROT_EXEC;
  auto arg = [&](int index) { return machine::Argument(task.entry, index); };
  bool maps = effect == MapEffect::kMap;
  if ((!maps && effect != MapEffect::kProtect) || !may_withhold_) return;
  uint64_t prot = arg(2);
  // What can be executed only, or only grows that way, is left as it is.
  if ((prot & PROT_EXEC) == 0 || (prot & PROT_READ) == 0 || (prot & ~kPlain) != 0) return;
  bool is_files = maps ? (arg(3) & MAP_ANONYMOUS) == 0 || (arg(3) & MAP_TYPE) != MAP_PRIVATE
                       : State(task).process->maps.HasAny(arg(0), arg(1));
  if (is_files || !KindsToPlant(task).any()) return;
  machine::SetArgument(task.made, 2, prot & ~uint64_t{PROT_EXEC});
}

void Recording::FollowUnseen(Task& task, uint64_t address, uint64_t size) {
  UnseenCode& unseen = State(task).process->unseen;
  uint64_t prot = machine::Argument(task.entry, 2);
  if (prot == machine::Argument(task.made, 2)) {
    unseen.Remove(address, size);
  } else {
    unseen.Add(address, size, static_cast<uint32_t>(prot));
  }
}

Status Recording::ProtectCode(Task& task, const Registers& registers, const PageRun& page,
                              uint32_t prot) {
  SignalsHeld guard = TRY(SignalsHeld::Hold(task.pid));
  RemoteCalls calls(task.pid, task.process->memory, registers);
  MapOp op{.kind = MapOp::Kind::kProtect,
           .address = page.start,
           .size = page.end - page.start,
           .prot = prot,
           .extra = ~uint64_t{0}};
  uint64_t result = TRY(calls.Call(MakeCall(Sys::mprotect, op.address, op.size, op.prot)));
  if (CallFailed(result)) {
    return Error(static_cast<int>(-result),
                 fmt::format("can't protect the program's code at {:#x}", page.start), task.pid);
  }
  event_.map_ops.push_back(op);
  return {};
}

Result<bool> Recording::OnFirstRun(Task& task, const Registers& registers, uint64_t address,
                                   bool logs) {
  ProcessState& process = *State(task).process;
  auto prot = process.unseen.ProtectionAt(address);
  if (!prot) return false;
  PageRun page = PageOf(address);
  Begin(task, EventKind::kFirstRun);
  event_.before = event_.after = registers;
  TRY(ProtectCode(task, registers, page, *prot));
  process.unseen.Remove(page.start, page.end - page.start);
  // The instruction may begin on the page before.
  PageRun code{std::min(page.start, Pc(registers)), page.end};
  for (const PlantedTrap& planted :
       TRY(TrapPlanter::PlantFrom(task.process->memory, code, Pc(registers), KindsToPlant(task)))) {
    AddPlanted(planted);
  }
  bool steps = event_.writes.empty() && code.start == page.start && process.first_runs < kFirstRuns;
  process.first_run.reset();
  if (steps) process.first_run = {page, *prot};
  if (logs) Write(task);
  return true;
}

Result<Preemption> Recording::FinishFirstRun(Task& task, const Registers& registers) {
  Preemption run{.registers = registers};
  ProcessState& process = *State(task).process;
  if (!process.first_run) return run;
  auto [page, prot] = *std::exchange(process.first_run, std::nullopt);
  ++process.first_runs;
  Stepper stepper(task.pid, task.process->memory);
  uint64_t size = page.end - page.start;
  for (int step = 0; Pc(run.registers) - page.start < size; ++step) {
    if (step == kFirstRunSteps) return run;
    StepOutcome outcome = TRY(stepper.Step(run.registers));
    if (outcome == StepOutcome::kStopped) {
      run.kind = Preemption::Kind::kStopped;
      run.status = stepper.status();
    }
    if (outcome != StepOutcome::kStepped) return run;
  }
  Begin(task, EventKind::kFirstRunEnd);
  event_.before = event_.after = run.registers;
  TRY(ProtectCode(task, run.registers, page, prot & ~uint32_t{PROT_EXEC}));
  TRY(ptracer::SetRegisters(task.pid, run.registers));
  process.unseen.Add(page.start, size, prot);
  Write(task);
  run.kind = Preemption::Kind::kDone;
  return run;
}

}  // namespace retake
