// Stopping a task that computes at a state that a replay can find again.
#include "replay/recording.h"
#include "tracee/remote_calls.h"

namespace retake {

Result<Preemption> Recording::Preempt(Task& task, uint32_t spin_steps) {
  TRY(CheckHealth());
  TaskState& state = State(task);
  ProcessState& process = *state.process;
  const TaskMemory& memory = task.process->memory;
  Preemption result;
  // A timer that is quicker than the single steps would end every attempt.
  SignalsHeld guard = TRY(SignalsHeld::HoldAsynchronous(task.pid));
  bool parked = false;
  if (spin_steps > 0) {
    SpinVerdict spin = TRY(process.spins.Park(task.pid, memory, spin_steps));
    switch (spin.kind) {
      case SpinVerdict::Kind::kParked:
        parked = true;
        break;
      case SpinVerdict::Kind::kNotProved:
      case SpinVerdict::Kind::kBeforeCall:
        return result;
      case SpinVerdict::Kind::kStopped:
        result.kind = Preemption::Kind::kStopped;
        result.status = spin.status;
        return result;
    }
  }
  MarkOutcome outcome = parked ? TRY(process.marker.Mark(task.pid, memory, 0))
                               : TRY(process.marker.Mark(task.pid, memory));
  switch (outcome.kind) {
    case MarkOutcome::Kind::kBeforeCall:
      return result;
    case MarkOutcome::Kind::kStopped:
      result.kind = Preemption::Kind::kStopped;
      result.status = outcome.status;
      return result;
    case MarkOutcome::Kind::kMarked:
      break;
  }
  result.registers = outcome.registers;
  if (parked) {
    if (state.park && state.park->registers == outcome.mark.registers &&
        state.park->memory == outcome.mark.memory) {
      // Whatever it did since, nobody can tell that it did anything.
      result.kind = Preemption::Kind::kStillParked;
      return result;
    }
    state.park = outcome.mark;
  }
  result.kind = parked ? Preemption::Kind::kParked : Preemption::Kind::kDone;
  Begin(task, EventKind::kPreemption);
  event_.before = event_.after = outcome.registers;
  machine::ForgetSyscall(event_.after);
  event_.vector_state = outcome.mark.vector;
  ByteWriter mark;
  EncodeMark(outcome.mark, mark);
  event_.mark = mark.Take();
  Write(task);
  return result;
}

}  // namespace retake
