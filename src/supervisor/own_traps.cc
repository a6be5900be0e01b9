#include "supervisor/own_traps.h"

#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cerrno>
#include <map>
#include <utility>

#include "base/clock.h"
#include "base/features.h"

namespace retake {
namespace {

thread_local bool timestamp_traps = false;
thread_local bool cpuid_traps = false;

bool Switch(const std::optional<machine::TrapSwitch>& trap) {
  return trap && syscall(HostArch().NumberOf(trap->sys), trap->args[0], trap->args[1]) == 0;
}

void SwitchTimestamp(bool on) { Switch(machine::TimestampTrap(on)); }
void SwitchCpuid(bool on) { Switch(machine::CpuidTrap(on)); }

struct sigaction fault_action_before;

void OnFault(int, siginfo_t*, void* context) {
  int saved = errno;
  // Any other fault comes again at once, and finds what would have been done about it.
  if (!machine::AnswerOwnTimestamp(context, SwitchTimestamp) &&
      !machine::AnswerOwnCpuid(context, SwitchCpuid)) {
    sigaction(SIGSEGV, &fault_action_before, nullptr);
  }
  errno = saved;
}

// For good: some thread may have a trap of its own from then on.
bool HandleFaults() {
  struct sigaction action {};
  struct sigaction before {};
  action.sa_sigaction = OnFault;
  action.sa_flags = SA_SIGINFO;
  if (sigaction(SIGSEGV, &action, &before) != 0) return false;
  if (before.sa_sigaction != OnFault) fault_action_before = before;
  return true;
}

sigjmp_buf trap_return;
void OnTrap(int) { siglongjmp(trap_return, 1); }

// Whether the instruction faults once the calling thread has asked for it.
bool Faults(const std::optional<machine::TrapSwitch>& on,
            const std::optional<machine::TrapSwitch>& off, void (*instruction)()) {
  struct sigaction action {};
  struct sigaction before {};
  action.sa_handler = OnTrap;
  if (sigaction(SIGSEGV, &action, &before) != 0) return false;
  volatile bool faults = false;
  if (Switch(on)) {
    if (sigsetjmp(trap_return, 1) == 0) {
      instruction();
    } else {
      faults = true;
    }
    Switch(off);
  }
  sigaction(SIGSEGV, &before, nullptr);
  return faults;
}

}  // namespace

bool TimestampTrapWorks() {
  static const bool works = MayUse(Feature::kTimestampTrap) &&
                            Faults(machine::TimestampTrap(true), machine::TimestampTrap(false),
                                   [] { (void)machine::ReadTimestamp(); });
  return works;
}

bool CpuidTrapWorks() {
  static const bool works =
      MayUse(Feature::kCpuid) && Faults(machine::CpuidTrap(true), machine::CpuidTrap(false),
                                        [] { (void)machine::ReadCpuid(0, 0); });
  return works;
}

bool CpuidIsSteady() { return CpuidTrapWorks() || TimestampTrapWorks(); }

bool TrapOwnCpuid() {
  cpuid_traps = HandleFaults() && Switch(machine::CpuidTrap(true));
  return cpuid_traps;
}

CpuidResult HostCpuid(uint32_t leaf, uint32_t subleaf) {
  if (!machine::CpuidTrap(false)) return {};
  // Each program asks a few dozen times, and in a virtual machine an answer takes 7 to 70 us.
  static std::map<std::pair<uint32_t, uint32_t>, CpuidResult> known;
  constexpr size_t kMostKnown = 1'000;  // some ask with anything in ecx
  if (known.size() >= kMostKnown) known.clear();
  auto [at, is_new] = known.try_emplace({leaf, subleaf});
  if (!is_new) return at->second;
  if (cpuid_traps) SwitchCpuid(false);
  at->second = machine::ReadCpuid(leaf, subleaf);
  if (cpuid_traps) SwitchCpuid(true);
  return at->second;
}

uint64_t HostTimestamp(const TrappedInstruction& insn) {
  if (timestamp_traps) SwitchTimestamp(false);
  uint64_t value = machine::ReadTimestamp(insn);
  if (timestamp_traps) SwitchTimestamp(true);
  return value;
}

bool HostTime(clockid_t clock, timespec* time) {
  return timestamp_traps ? ClockGettime(clock, time) == 0 : ReadClockByVdso(clock, time);
}

OwnTimestampTrap::OwnTimestampTrap() {
  if (!machine::TimestampSwitchIsDear() || !TimestampTrapWorks()) return;
  if (!HandleFaults()) return;
  timestamp_traps = Switch(machine::TimestampTrap(true));
}

OwnTimestampTrap::~OwnTimestampTrap() {
  if (!timestamp_traps) return;
  LeaveInherited();
  timestamp_traps = false;
}

void OwnTimestampTrap::LeaveInherited() { SwitchTimestamp(false); }

int CurrentCpu() { return sched_getcpu(); }

}  // namespace retake
