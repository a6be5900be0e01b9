// The recorder's view of instructions that trap: their answers, cpuid's trap, and, where nothing
// makes an instruction trap, what is put into the program's code in its place. Such a change of
// code is a write to memory like any other in the trace, so that a replay has the same code on any
// machine.
#include <sys/mman.h>
#include <sys/stat.h>

#include <cstring>

#include "base/fd.h"
#include "replay/recording.h"
#include "supervisor/own_traps.h"
#include "tracee/remote_calls.h"

namespace retake {

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
    std::span<uint8_t> out = event_.AddWrite(planted.address, planted.site.size);
    memcpy(out.data(), planted.site.trap.data(), out.size());
  }
  return {};
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

}  // namespace retake
