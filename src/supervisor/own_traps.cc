#include "supervisor/own_traps.h"

#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cerrno>

namespace retake {
namespace {

thread_local bool timestamp_traps = false;

bool Switch(const std::optional<machine::TrapSwitch>& trap) {
  return trap && syscall(HostArch().NumberOf(trap->sys), trap->args[0], trap->args[1]) == 0;
}

void SwitchTimestamp(bool on) { Switch(machine::TimestampTrap(on)); }

struct sigaction fault_action_before;

void OnFault(int, siginfo_t*, void* context) {
  int saved = errno;
  // Any other fault comes again at once, and finds what would have been done about it.
  if (!machine::AnswerOwnTimestamp(context, SwitchTimestamp))
    sigaction(SIGSEGV, &fault_action_before, nullptr);
  errno = saved;
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
  if (timestamp_traps) SwitchTimestamp(false);
  uint64_t value = machine::ReadTimestamp();
  if (timestamp_traps) SwitchTimestamp(true);
  return value;
}

OwnTimestampTrap::OwnTimestampTrap() {
  if (!machine::TimestampSwitchIsDear()) return;
  struct sigaction action {};
  action.sa_sigaction = OnFault;
  action.sa_flags = SA_SIGINFO;
  if (sigaction(SIGSEGV, &action, &fault_action_before) != 0) return;
  timestamp_traps = Switch(machine::TimestampTrap(true));
}

OwnTimestampTrap::~OwnTimestampTrap() {
  if (!timestamp_traps) return;
  LeaveInherited();
  sigaction(SIGSEGV, &fault_action_before, nullptr);
  timestamp_traps = false;
}

void OwnTimestampTrap::LeaveInherited() { SwitchTimestamp(false); }

int CurrentCpu() { return sched_getcpu(); }

}  // namespace retake
