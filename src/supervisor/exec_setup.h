// What a process needs before its first instruction after an exec: the stub page, a vDSO that makes
// plain syscalls, trapping instructions; and the small services of the tracer thread that go with
// them.
#ifndef RETAKE_SUPERVISOR_EXEC_SETUP_H_
#define RETAKE_SUPERVISOR_EXEC_SETUP_H_

#include <span>

#include "supervisor/task.h"
#include "tracee/code_notes.h"
#include "tracee/maps.h"
#include "tracee/memory.h"

namespace retake {

// Refuses programs that can't be recorded: of another architecture (a 32-bit one), or that may not
// be read.
Status CheckProgram(pid_t pid, std::span<const Mapping> mappings);

// Installs the stub, patches the vDSO and arms the time-stamp trap where exec cleared it. The task
// is at its exec's exit stop; its registers are left changed. `notes` may be null.
Status SetUpNewImage(pid_t pid, TaskMemory& memory, const Registers& registers,
                     std::span<const Mapping> mappings, CodeNotes* notes);

// The clone flags of the call that `parent` is in (fork and vfork have theirs implied).
uint64_t CloneFlags(const Task& parent);

// Where that call has the child's thread id written (CLONE_CHILD_SETTID).
uint64_t ChildTidAddress(const Task& parent);

// Sets a signal's action in the task by an injected rt_sigaction. Only what SignalAction holds can
// be put back, which is what the kernel's forced reset takes away.
Status RestoreSignalAction(pid_t pid, TaskMemory& memory, const Registers& registers, int signal,
                           const SignalAction& action);

}  // namespace retake

#endif  // RETAKE_SUPERVISOR_EXEC_SETUP_H_
