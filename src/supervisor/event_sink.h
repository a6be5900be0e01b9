// EventSink: who is told of what enters the traced tasks, and decides about their calls. The
// recorder is one.
#ifndef RETAKE_SUPERVISOR_EVENT_SINK_H_
#define RETAKE_SUPERVISOR_EVENT_SINK_H_

#include <string_view>
#include <vector>

#include "base/result.h"
#include "supervisor/task.h"
#include "tracee/maps.h"
#include "tracee/wait_status.h"

namespace retake {

// What becomes of a call at its entry.
struct CallVerdict {
  enum class Kind : uint8_t {
    kRun,     // let the kernel make it, stop at its exit
    kAnswer,  // don't make it: `result` is its result. The sink has logged it.
    kFinal,   // let the kernel make it; it doesn't return (exit)
    kHold,    // not now: ask again when Supervisor::Release() says so
    kRetry,   // ask again once the task has the turn: its group has become larger
    kRepeat,  // the sink has used the task for calls of its own: it makes its call once more
    kTrap,    // as kAnswer, and SIGSYS with `data` comes of it
    kEnds,    // as kAnswer, and the task, or with `whole` its process, is killed by signal `data`
  };
  Kind kind = Kind::kRun;
  int64_t result = 0;
  int data = 0;
  bool whole = false;
  bool may_block = false;  // kRun: others of the share-group may run before it returns
  // kRun: a call that writes the program's memory before it sleeps, so nobody runs until it does.
  bool settles = false;
};

enum class NewTaskKind : uint8_t { kFork, kVfork, kThread };

// How a signal entered a task.
struct SignalArrival {
  int signal;
  bool synchronous;  // the task's own instruction raised it
  Registers before;
  Registers after;  // at the handler's first instruction
};

// What came of stopping a task that computes.
struct Preemption {
  enum class Kind : uint8_t {
    kDone,         // the event is logged; the task is stopped with `registers`
    kParked,       // likewise, and it spins: it will do nothing else until others write its memory
    kStillParked,  // it spins in the state that it was parked in last: nothing to log
    kNotNow,       // it goes on; nothing is logged
    kStopped,      // another stop came: `status`
  };
  Kind kind = Kind::kNotNow;
  Registers registers;
  WaitStatus status;
  bool trap_pending = false;  // kStopped: as Task::trap_pending
};

// Each method runs on the tracer thread with the task stopped. An error that is the task's death
// (ESRCH) is not passed on as a failure; any other ends the run with its sentence.
class EventSink {
 public:
  virtual ~EventSink() = default;

  // The first exec, and each that succeeds. The task is at the exit stop of its exec call, with
  // `registers`; `mappings` are the new image's before the stub was added; the stub is there, the
  // vDSO patched, traps armed.
  virtual Status OnExec(Task& task, const Registers& registers,
                        const std::vector<Mapping>& mappings) = 0;
  // May change the arguments that the kernel is given, in task.made; the program gets its own back.
  virtual Result<CallVerdict> OnCallEntry(Task& task, uint16_t filter_data) = 0;
  // The call of task.entry returned; `exit` are the registers after it, which may be changed. A
  // result that is a restart (machine::IsRestart) means that a signal handler runs before the call
  // is made again.
  virtual Status OnCallExit(Task& task, Registers& exit) = 0;
  // The kernel interrupted the call and will restart it by itself: nothing to log, but it may have
  // written.
  virtual Status OnCallInterrupted(Task& task, const Registers& exit) = 0;
  // The task has entered a call, and another event comes before the call's end: a handler of a held
  // signal, or another task's turn. May be said of a call more than once.
  virtual Status OnCallEntered(Task& task) = 0;
  // Whether a copy of the task's process shares writable memory with it.
  virtual bool CopySharesMemory(const Task& task) = 0;
  // Whether others may run before the call that the task is in returns.
  virtual bool IsInCallThatBlocks(Task& task) = 0;
  virtual Status OnNewTask(Task& parent, Task& child, NewTaskKind kind) = 0;
  virtual Status OnSignal(Task& task, const SignalArrival& arrival) = 0;
  // The task computes, and is stopped in user code; those who share its memory stand still. Finds a
  // state that a replay can find again. With `spin_steps`, only if the task spins, which may take
  // so many single steps to see.
  virtual Result<Preemption> Preempt(Task& task, uint32_t spin_steps) = 0;
  // These tasks have spun for so long (ms), and nobody has written what they wait for: unless a
  // signal or a timer comes, they will for ever. They are stopped.
  virtual void OnLivelock(const std::vector<Task*>& tasks, int64_t duration) = 0;
  // A trapped instruction was answered.
  virtual Status OnTrap(Task& task, TrapKind kind, const Registers& before,
                        const Registers& after) = 0;
  // The task can't execute what is at `address`, where it goes on; its registers are these. True if
  // that was the sink's doing, and it can now. Logged, or not because nobody records any more.
  virtual Result<bool> OnFirstRun(Task& task, const Registers& registers, uint64_t address,
                                  bool logs) = 0;
  // ... after which the task has these registers again. If it was the first execution there, has it
  // go on until that is over; kDone or kNotNow, with its registers, or kStopped.
  virtual Result<Preemption> FinishFirstRun(Task& task, const Registers& registers) = 0;
  // The task is at its end, but the kernel's last writes to its memory (the thread id, robust
  // futexes) are still to come.
  virtual Status OnExiting(Task& task) = 0;
  // ... and have come, of a leader that is gone for good only once its threads are.
  virtual Status OnReleased(Task& task) = 0;
  virtual Status OnGone(Task& task, WaitStatus status) = 0;
};

}  // namespace retake

#endif  // RETAKE_SUPERVISOR_EVENT_SINK_H_
