// Stepper: executes a stopped task's user code one instruction at a time, so that it does exactly
// what it would have done unstepped.
//
// A plain PTRACE_SINGLESTEP isn't that. Over a syscall instruction it makes the call with no stop
// at its entry; over an instruction that stores the flags it leaves the trap flag in the program's
// memory; between a load-exclusive and its store-exclusive it loses the reservation, for ever. So
// each instruction is decoded before it is stepped. Decoded instructions are kept, and dropped when
// a step writes to their page.
//
// One step costs a stop (3 us same core and quiet; 7 to 13 loaded) and a read of the registers.
#ifndef RETAKE_TRACEE_STEPPER_H_
#define RETAKE_TRACEE_STEPPER_H_

#include <sys/types.h>

#include <cstdint>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "arch/arch.h"
#include "arch/code.h"
#include "base/result.h"
#include "tracee/memory.h"
#include "tracee/wait_status.h"

namespace retake {

enum class StepOutcome : uint8_t {
  kStepped,     // one instruction was executed (or one round of a repeated one, or one whole
                // load-exclusive .. store-exclusive sequence)
  kBeforeCall,  // nothing was: the instruction at the pc would enter the kernel
  kRefused,     // nothing was: the instruction at the pc can't be stepped (a breakpoint of the
                // program's own, or none that is known)
  kStopped,     // another stop came: status() has it. Of a fault, the instruction at the pc raised
                // it; of anything else, it hasn't been executed
};

// The task must be ptrace-stopped in user code (not inside a syscall), at a stop whose signal, if
// any, is the caller's to deliver later: resuming drops it. Other tasks that execute the same code
// must be stopped.
class Stepper {
 public:
  Stepper(pid_t pid, const TaskMemory& memory) : pid_(pid), memory_(memory) {}

  // What the instruction at `pc` will do. kRefused if there is none that can be read.
  const machine::InstructionInfo& InfoAt(uint64_t pc);
  // Executes the instruction at the pc of `registers`, which are the task's; they are updated.
  // Fails with ESRCH if the task was killed; the caller's wait tells.
  Result<StepOutcome> Step(Registers& registers);
  // As Step, but executes a repeated instruction to its end, at full speed.
  Result<StepOutcome> StepWhole(Registers& registers);
  // The task has run, and may have changed code.
  void Forget() {
    known_.clear();
    code_pages_.clear();
  }
  // Of the last kStopped.
  WaitStatus status() const { return status_; }

 private:
  // Runs until the task is at one of `exits`.
  Result<StepOutcome> RunToExit(const std::vector<uint64_t>& exits, Registers& registers);
  void DropOverwrittenCode(const machine::InstructionInfo& info, const Registers& registers);

  pid_t pid_;
  const TaskMemory& memory_;
  WaitStatus status_;
  std::unordered_map<uint64_t, machine::InstructionInfo> known_;
  std::unordered_set<uint64_t> code_pages_;
};

}  // namespace retake

#endif  // RETAKE_TRACEE_STEPPER_H_
