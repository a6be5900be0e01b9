// Instructions that trap in a tracer thread as they do in its tasks.
//
// The kernel keeps such a trap per thread and changes it where the threads before and after a
// switch differ. On a virtual machine that is a write which the hypervisor intercepts, and it
// doubles the cost of each stop: cpuid on some (6.0 us instead of 3.2 on a Xeon), the time-stamp
// counter on others (18 us instead of 8.5 on an EPYC). So a tracer thread has both trap for itself
// too, and does without them: time it asks of the kernel (base/clock.h), and it reads cpuid and the
// counter with the trap off for a moment. Libraries that read the counter all the same (by the
// vDSO's clocks) or ask cpuid (zstd, when it makes a context) are served by a signal handler, at
// the price of a signal.
#ifndef RETAKE_SUPERVISOR_OWN_TRAPS_H_
#define RETAKE_SUPERVISOR_OWN_TRAPS_H_

#include <time.h>

#include "arch/arch.h"

namespace retake {

// Whether the time-stamp counter, and cpuid, can be made to trap in a thread: tried, since some
// hypervisors accept the setting and let the instruction run. The first call changes the calling
// process's SIGSEGV action for a moment.
bool TimestampTrapWorks();
bool CpuidTrapWorks();
// Whether cpuid that runs free says the same each time to a thread that is pinned. Where it can't
// be made to trap, nor the counter, these instructions may be executed as on the bare machine,
// whose CPU is another one at every moment.
bool CpuidIsSteady();

// What this CPU answers to cpuid, also while cpuid traps in this thread. Asked once, and the same
// from then on: what differs between CPUs is one CPU's.
CpuidResult HostCpuid(uint32_t leaf, uint32_t subleaf);
// Makes cpuid trap in the calling thread itself, for good; false if that isn't possible. Threads
// that it starts inherit that. Takes SIGSEGV's action.
bool TrapOwnCpuid();

// What this CPU answers to an instruction that reads the time-stamp counter (or its frequency),
// also while it traps in this thread.
uint64_t HostTimestamp(const TrappedInstruction& insn);

// The time, as cheaply as may be: by the vDSO, but where its read of the counter would trap.
bool HostTime(clockid_t clock, timespec* time);

// While it lives, the time-stamp counter traps in the calling thread, if that makes stops cheaper
// here. Threads that are started meanwhile inherit that.
class OwnTimestampTrap {
 public:
  OwnTimestampTrap();
  ~OwnTimestampTrap();
  OwnTimestampTrap(const OwnTimestampTrap&) = delete;
  OwnTimestampTrap& operator=(const OwnTimestampTrap&) = delete;

  // To be called first in such a thread.
  static void LeaveInherited();
};

// The CPU that the calling thread, and with it every task, is pinned to.
int CurrentCpu();

}  // namespace retake

#endif  // RETAKE_SUPERVISOR_OWN_TRAPS_H_
