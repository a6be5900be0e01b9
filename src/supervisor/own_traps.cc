#include "supervisor/own_traps.h"

#include <sched.h>
#include <sys/prctl.h>
#include <unistd.h>

namespace retake {
namespace {

thread_local bool timestamp_traps = false;

bool Switch(const std::optional<machine::TrapSwitch>& trap) {
  return trap && syscall(HostArch().NumberOf(trap->sys), trap->args[0], trap->args[1]) == 0;
}

}  // namespace

bool TrapOwnCpuid() { return Switch(machine::CpuidTrap(true)); }

CpuidResult HostCpuid(uint32_t leaf, uint32_t subleaf) {
  auto off = machine::CpuidTrap(false);
  if (!off) return {};
  // Off and on again costs a microsecond; programs ask a few dozen times.
  Switch(off);
  CpuidResult result = machine::ReadCpuid(leaf, subleaf);
  Switch(machine::CpuidTrap(true));
  return result;
}

uint64_t HostTimestamp() {
  if (timestamp_traps) Switch(machine::TimestampTrap(false));
  uint64_t value = machine::ReadTimestamp();
  if (timestamp_traps) Switch(machine::TimestampTrap(true));
  return value;
}

OwnTimestampTrap::OwnTimestampTrap() {
  timestamp_traps = machine::TimestampSwitchIsDear() && Switch(machine::TimestampTrap(true));
}

OwnTimestampTrap::~OwnTimestampTrap() {
  if (timestamp_traps) LeaveInherited();
  timestamp_traps = false;
}

void OwnTimestampTrap::LeaveInherited() { Switch(machine::TimestampTrap(false)); }

int CurrentCpu() { return sched_getcpu(); }

}  // namespace retake
