// How aarch64 makes instructions trap. PR_SET_TSC, from Linux 6.12 on, makes reads of the virtual
// counter and of its frequency fault; fork keeps it, exec resets it. Pointers are signed with keys
// that the kernel draws at exec, and the signatures lie on the stack: with the keys disabled
// (PR_PAC_SET_ENABLED_KEYS, Linux 5.13) signing and authenticating do nothing. The ID registers
// answer what the kernel lets them, without a stop, and nothing can make RNDR trap.
#include <sys/prctl.h>

#include "arch/arch.h"

namespace retake::machine {

std::optional<TrapSwitch> TimestampTrap(bool on) {
  uint64_t mode = on ? PR_TSC_SIGSEGV : PR_TSC_ENABLE;
  return TrapSwitch{Sys::prctl, {PR_SET_TSC, mode}};
}

// CNTKCTL_EL1 belongs to the guest: no hypervisor sees its writes.
bool TimestampSwitchIsDear() { return false; }

// TimestampSwitchIsDear: it never traps here.
bool AnswerOwnTimestamp(void*, void (*)(bool)) { return false; }

std::span<const TrapSwitch> CallsAfterExec() {
  static constexpr TrapSwitch kCalls[] = {
      {Sys::prctl, {PR_SET_TSC, PR_TSC_SIGSEGV}},
      // The second argument says which keys, the third, none of them: enabled.
      {Sys::prctl,
       {PR_PAC_SET_ENABLED_KEYS,
        PR_PAC_APIAKEY | PR_PAC_APIBKEY | PR_PAC_APDAKEY | PR_PAC_APDBKEY}},
  };
  return kCalls;
}

std::optional<TrapSwitch> CpuidTrap(bool) { return std::nullopt; }
bool AnswerOwnCpuid(void*, void (*)(bool)) { return false; }

CpuidResult MaskCpuid(uint32_t, uint32_t, CpuidResult value, bool) { return value; }

}  // namespace retake::machine
