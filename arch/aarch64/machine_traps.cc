// How aarch64 makes instructions trap. PR_SET_TSC, from Linux 6.12 on, makes reads of the virtual
// counter and of its frequency fault; fork keeps it, exec resets it. The ID registers answer what
// the kernel lets them, without a stop, and nothing can make RNDR trap.
#include <sys/prctl.h>

#include "arch/arch.h"

namespace retake::machine {

std::optional<TrapSwitch> TimestampTrap() {
  return TrapSwitch{Sys::prctl, {PR_SET_TSC, PR_TSC_SIGSEGV}};
}

bool TimestampTrapSurvivesExec() { return false; }

std::optional<TrapSwitch> CpuidTrap(bool) { return std::nullopt; }

CpuidResult MaskCpuid(uint32_t, uint32_t, CpuidResult value, bool) { return value; }

}  // namespace retake::machine
