// The register that syscall stops don't show.
//
// On aarch64 the kernel tells the tracer entry from exit by x7 (arch/arm64/kernel/ptrace.c,
// report_syscall): at the stops of PTRACE_SYSCALL and PTRACE_SYSEMU it reads 0 or 1, writes to it
// are lost, and the program's own value comes back when the task goes on. In every other stop, that
// of the filter included, it is itself. A call never changes it. So registers read at an exit stop
// are completed from those at the call's entry before they are kept, or set in a stop of another
// kind. Elsewhere these functions do nothing.
#ifndef RETAKE_TRACEE_HIDDEN_REGISTER_H_
#define RETAKE_TRACEE_HIDDEN_REGISTER_H_

#include "arch/arch.h"
#include "tracee/memory.h"

namespace retake {

// Takes the hidden register of `from` over into `to`.
void CopyHiddenRegister(const Registers& from, Registers& to);

// Completes the registers at the exit stop of `sys`, given those at its entry. rt_sigreturn takes
// its registers from the signal frame in `memory`.
void CompleteExit(Sys sys, const Registers& entry, const TaskMemory& memory, Registers& exit);

// Leads a seized task, whose signals are all blocked, from such a stop to one of another kind,
// without an instruction in between, so that all of its registers can be set. Does nothing where
// none is hidden.
Status LeaveCallStop(pid_t tid);

}  // namespace retake

#endif  // RETAKE_TRACEE_HIDDEN_REGISTER_H_
