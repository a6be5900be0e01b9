// Task: one traced kernel thread as the supervisor sees it, and what its process shares.
#ifndef RETAKE_SUPERVISOR_TASK_H_
#define RETAKE_SUPERVISOR_TASK_H_

#include <signal.h>
#include <sys/types.h>

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "arch/arch.h"
#include "supervisor/look_budget.h"
#include "supervisor/program_filter.h"
#include "tracee/memory.h"
#include "tracee/wait_status.h"

namespace retake {

// What the program has set for a signal. Kept by following rt_sigaction: asking the kernel would
// take an injected call.
struct SignalAction {
  uint64_t handler = 0;  // SIG_DFL, SIG_IGN or an address
  uint64_t flags = 0;    // SA_*
};

// What will become of a signal that is about to be delivered.
enum class SignalFate : uint8_t { kIgnored, kStops, kContinues, kEndsProcess, kHandled };

// Signal dispositions of a process: shared by its threads, copied by fork, handlers reset by exec.
class SignalActions {
 public:
  static constexpr int kSignals = 64;

  SignalAction& operator[](int signal) { return actions_[static_cast<size_t>(signal)]; }
  SignalFate FateOf(int signal) const;
  // At exec: what was handled goes back to default, what was ignored stays so.
  void ResetHandlers();

 private:
  std::array<SignalAction, kSignals + 1> actions_{};
};

// One address space. The memory of a vfork child is its parent's until it execs or exits.
struct Process {
  explicit Process(TaskMemory its_memory) : memory(std::move(its_memory)) {}

  TaskMemory memory;
  pid_t owner = 0;  // the task that made it, whose pid `memory` goes by
  // Where the kernel put the vDSO.
  uint64_t vdso_start = 0, vdso_end = 0;
};

struct Task;

// Processes that share writable memory, and the order in which their tasks run: user code of one of
// them at a time. A task needs the turn to run the program's code, and for a stop that becomes an
// event; in a call that may block it gives it up as soon as another one wants it.
struct ShareGroup {
  int members = 0;            // living tasks
  Task* holder = nullptr;     // whose turn it is
  int64_t turn_began = 0;     // ms, CLOCK_MONOTONIC
  std::deque<Task*> waiting;  // for the turn, in order; each says what for in Task::wants
  // Had the turn in a group that has become part of this one, and run until their next stop; nobody
  // else does until then.
  std::vector<Task*> stragglers;
  // As `waiting`, but another task of the program's has stopped them (Task::suspended_by).
  std::vector<Task*> suspended;
  int vforking = 0;  // members that sleep until their child has gone on to a program of its own

  int cpu = -1;  // where its tasks run; -1: anywhere
  // May run elsewhere than on the tracer's CPU, which a replay has: not as long as an instruction
  // can tell the CPUs apart (cpuid, until it traps).
  bool movable = false;
  bool spins = false;  // one of its tasks has been seen to spin: look sooner
  LookBudget look_budget;
  int idlers = 0;  // members that are idle
  // ms: since when its tasks have done nothing but spin in the same states; 0: they haven't
  int64_t idle_since = 0;
  bool told_livelock = false;
  uint64_t stops = 0;  // of its tasks since the last look at all groups
  // The watchdog's: all stops, those that it has seen, and how often it has found the group stuck
  // since.
  uint64_t arrivals = 0, arrivals_watched = 0;
  int stuck_watches = 0;

  // Whether user code of more than one could run.
  bool crowd() const { return members - vforking > 1; }
};

struct Task {
  // What a task does once it has the turn.
  enum class Wants : uint8_t {
    kNothing,  // it doesn't wait for one
    kRun,      // go on in the program's code
    kStop,     // have its stop handled
    kDecide,   // have its call decided about, at whose entry it was held
  };
  // Where the task is, as far as its next stop needs to know.
  enum class Phase : uint8_t {
    kStarting,     // retake's own code before the first exec
    kUser,         // in the program's code
    kInCall,       // in a call that will have an exit stop
    kAnswered,     // in a call that isn't made; its exit stop is still to come
    kExec,         // in an exec that has succeeded
    kInterrupted,  // at or after the exit stop of a call that the kernel will restart
    kExiting,      // past its last call
  };

  bool is_thread() const { return pid != leader; }
  // In a call that the kernel makes, or makes again.
  bool in_call() const { return phase == Phase::kInCall || phase == Phase::kInterrupted; }

  pid_t pid = 0;
  pid_t leader = 0;  // of its thread group
  uint32_t id = 0;   // its number for ever; pids come back
  Phase phase = Phase::kUser;
  bool vforking = false;      // sleeps until its child has exec'd or ended
  bool is_zombie = false;     // a leader that has ended before its threads
  bool may_block = false;     // its present call gives up the turn
  bool trap_pending = false;  // a stop that we have asked for is still to come
  bool settles = false;       // its present call writes memory when it begins to sleep, and after
  bool at_entry = false;      // has been seen at an entry; the stop of the filter is to come
  Registers seen_at_entry;    // then: of a new call, or of one that is made again
  bool listens = false;       // stopped by a signal, for its own reasons
  bool refused = false;       // an outer filter has refused its present call
  int64_t call_began = 0;     // ms: of a call whose timeout may have to be shortened
  int64_t call_noticed = 0;   // ms: when its present call was first seen to last, 0 if it wasn't
  Sys sys = Sys::kNone;       // of the present call
  Registers entry;            // at the entry of the present call
  Registers made;             // as the kernel was given it, if that differs: other arguments
  Registers last;             // what it went on with after its last event
  std::shared_ptr<Process> process;
  std::shared_ptr<ShareGroup> group;
  Wants wants = Wants::kNothing;
  WaitStatus stop;           // Wants::kStop
  uint16_t filter_data = 0;  // Wants::kDecide
  std::shared_ptr<SignalActions> signals;
  uint64_t signal_mask = 0;                        // as of its last event
  std::shared_ptr<const Confinement> confinement;  // its seccomp filters; null: none
  bool no_new_privs = false;                       // as far as the program knows
  std::vector<siginfo_t> held;                     // asynchronous signals that found it computing
  bool requeued = false;   // `held` has been sent to it again, to be delivered at this boundary
  int64_t held_since = 0;  // ms, CLOCK_MONOTONIC
  int looks = 0;           // how often it was stopped to see whether it spins, in this turn
  // It spins, and nobody who shares its memory has done anything since that was last seen.
  bool idle = false;
  int64_t preempt_after = 0;  // ms: stopping it in mid-computation was dear; not again before
  // ms: how long it had the turn before it was stopped in mid-computation, and waits for it again.
  int64_t computed_for = 0;
  int preempted = 0;  // turns in a row that it lost that way, never waiting in a call between them
  // The task that has stopped it by PTRACE_ATTACH, as far as the program knows; 0: none.
  pid_t suspended_by = 0;
  bool suspension_told = false;  // ... and has been told so by a wait
};

}  // namespace retake

#endif  // RETAKE_SUPERVISOR_TASK_H_
