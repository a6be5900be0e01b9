// The supervisor: one tracer thread that waits for stops of all tasks of the tree, keeps what the
// kernel doesn't tell (phases of calls, signal dispositions), and passes events to an EventSink.
//
// A call that is recorded has two stops: PTRACE_EVENT_SECCOMP at its entry (the filter asks for it)
// and the syscall-exit stop (asked for by PTRACE_SYSCALL from there; since Linux 4.8 no second
// entry stop lies between).
//
// The kernel restarts an interrupted call by itself when the task goes on; the program sees one
// call. So does the sink: the exit stop with a restart result isn't passed on unless a signal
// handler runs in between.
#ifndef RETAKE_SUPERVISOR_SUPERVISOR_H_
#define RETAKE_SUPERVISOR_SUPERVISOR_H_

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>

#include "supervisor/event_sink.h"
#include "supervisor/own_traps.h"
#include "supervisor/placement.h"
#include "supervisor/task.h"
#include "tracee/code_notes.h"
#include "tracee/ptrace.h"

namespace retake {

struct SupervisorOptions {
  bool portable = false;  // trap cpuid from the first instruction
  // Stop at every call by PTRACE_SYSCALL, not where the filter says. Needed where retake itself
  // runs under a filter (a container's profile): a call that such a filter refuses never shows as a
  // stop of ours, and would be missing from the trace. Costs the same two stops a call, and four
  // where the call is answered without being made.
  bool stop_at_every_call = false;
  bool no_new_privs = false;       // the program has it set from the start, and may know
  int cpu = -1;                    // where the tracer and the first task are pinned; -1: nowhere
  cpu_set_t cpus{};                // what the program's tasks may run on
  CodeNotes* notes = nullptr;      // outlive the supervisor
  int hold_bound_ms = 4;           // how long a signal waits for a computing task to reach an event
  int64_t hang_bound_ms = 10'000;  // how long all tasks of a group may be stopped by us
};

class Supervisor {
 public:
  Supervisor(SupervisorOptions options, EventSink& sink)
      : options_(options), sink_(sink), placement_(options.cpu, options.cpus) {}

  // Seizes the first task, which will exec.
  Status SeizeFirst(pid_t pid);

  // What happened to the first process while Run() ran.
  enum class RunEnd : uint8_t {
    kFirstExiting,  // the first process is about to end (the last of its tasks is held at
                    // PTRACE_EVENT_EXIT); call Run again after letting it go
    kAllGone,
  };
  // Runs the tree until the first process is at its end, or all are gone. An error is a failure of
  // ours: end the tree.
  Result<RunEnd> Run();

  // Lets the first process die, reaped by Run() like any other.
  Status LetFirstGo();
  // Lets the first process die; waits for its end without reaping it, so that its parent doesn't
  // learn of it yet. The status is passed to the sink. Run() then leaves it alone.
  Result<WaitStatus> FinishFirst();
  // Reaps the first task: its parent learns of its end now.
  void ReapFirst();
  // Whether tasks of other processes than the first live.
  bool HasOthers() const;

  // Ends every task: others are killed; the first, if it still runs, exits with `status` by a call
  // of its own. Bounded. `before_exit` runs once the first is the only one left.
  void EndTree(int status, const std::function<void()>& before_exit);

  // Lets the tree run to its end with nobody told: every call is the kernel's, every signal goes
  // through. For a program that is to go on though its recording can't. (It can't be let go of:
  // without a tracer the filter's stops are errors.)
  Status RunUnrecorded();

  // Tasks that a kHold verdict stopped are asked about again.
  void Release();

  // The tasks' processes share memory from now on. False if they did already; else the task, whose
  // call is being decided about, has to wait for the turn (CallVerdict::Kind::kRetry).
  Result<bool> Share(Task& task, Task& other);

  // The task's calls are judged by this filter, too, from now on; with `all_threads`, those of all
  // tasks of its process. Zero, or the id of a thread that has filters that the task hasn't
  // (then nothing is changed).
  pid_t Confine(Task& task, ProgramFilter filter, bool all_threads);

  // What comes of a task's call that stops others, or looks at them, by ptrace, or waits for them
  // to stop; nullopt if it isn't such a call, or not one that can be had (supervisor_tracing.cc).
  struct TracingAnswer {
    struct Write {
      uint64_t address;
      std::vector<uint8_t> bytes;
    };
    bool retry = false;  // ask again once those that run have stopped (CallVerdict::Kind::kRetry)
    int64_t result = 0;
    std::vector<Write> writes;  // have been made
  };
  std::optional<TracingAnswer> AnswerTracing(Task& task);

  // From now on cpuid traps in this task (it is hidden from library code), if it can; called by the
  // sink between events.
  Status TrapCpuid(Task& task, const Registers& registers);
  bool cpuid_works() const { return cpuid_works_; }

 private:
  // supervisor_turns.cc: whose turn it is in a share-group.
  // A stop has come: handled now, or once its task has the turn.
  Status Arrive(Task& task, WaitStatus status);
  Result<bool> NeedsTurn(Task& task, WaitStatus status);
  // Gives the turn to whoever waits for it, if it is free.
  Status Dispatch(ShareGroup& group);
  Status TakeTurn(Task& task);
  // At the end of an event: lets the task go on in the program's code, or wait for its next turn.
  Status RunUser(Task& task, bool yield = false);
  // A call that may block has been let go: if others wait for the turn, sees whether it returns at
  // once.
  Status AwaitQuickReturn(Task& task);
  // A task is about to stay stopped (SIGSTOP and the like).
  Status GiveUpTurnStopped(Task& task);
  // Waits until the call has returned or sleeps.
  Status AwaitSleep(Task& task);
  // `ended` may have held locks that its kernel has given to those who sleep in calls for them:
  // waits until these have written so into the lock, which they do on their way out.
  void AwaitHeirs(const Task& ended) const;
  // Waits until a leader whose threads live on has ended.
  Status AwaitZombie(Task& task);
  // For the turn; `first`: before all others.
  void Wait(Task& task, Task::Wants wants, bool first = false);
  // The process is about to be ended by the kernel: what its other tasks waited for is moot.
  void DropWaiting(const Task& ending);
  // A leader that has ended, and whose threads live on.
  Status HandleZombie(Task& task);
  void JoinGroup(Task& task, const std::shared_ptr<ShareGroup>& group);
  void LeaveGroup(Task& task);
  // Now and then: a turn that lasts too long.
  Status CheckTurns();
  // Every share-group but one.
  std::vector<ShareGroup*> Groups(const ShareGroup* without = nullptr) const;
  void PlaceGroup(ShareGroup& group, int cpu);
  // There is more than one group now.
  void NoteSeveral();
  void CheckPlacement();
  // What is done now and then, while SetTicking() says so; at most once an interval.
  Status Tick();
  void SetTicking();
  // supervisor_watchdog.cc: groups that nothing will ever happen in.
  static constexpr int64_t kWatchesInBound = 4;
  Status CheckStuck(int64_t now);
  bool IsStuck(const ShareGroup& group) const;
  std::string DescribeTasks() const;

  // supervisor_preempt.cc: tasks that compute for long.
  // At a tick, of the holder of a turn that others wait for.
  Status CheckComputing(Task& task);
  Status Preempt(Task& task, uint32_t spin_steps, std::optional<size_t> look_kind = std::nullopt);
  void SetIdle(Task& task, bool idle);
  void WakeIdlers(ShareGroup& group);
  // Something other than spinning has happened: what idlers wait for may have come.
  void NoteChange(ShareGroup& group);
  // The task spins in the state that it was in before.
  void NoteSpin(Task& task, int64_t now);

  Status Handle(Task& task, WaitStatus status);
  Status HandleExiting(Task& task);
  Status HandleExecStop(Task& task);
  bool EndsFirst(const Task& task) const;
  void RestoreArguments(const Task& task, Registers& registers) const;
  void Forget(Task& task);
  // At a syscall stop: `at_filter` tells which of the two kinds of entry it is.
  Status HandleCallEntry(Task& task, bool at_filter);
  static void EnterCall(Task& task, const Registers& registers);
  // At the exit of a call that an outer filter has refused before ours was asked.
  Status HandleRefusedCall(Task& task);
  // Lets a task go on in the program's code, to its next call.
  Status Continue(pid_t pid, int signal = 0);
  Status Decide(Task& task, uint16_t filter_data);
  Status HandleCallExit(Task& task);
  Status HandleExecDone(Task& task);
  Status HandleNewTask(Task& parent, int ptrace_event);
  Status HandleSignal(Task& task, int signal);
  // `signal` is what it raised.
  Status HandleTrap(Task& task, int signal, const Registers& before,
                    const TrappedInstruction& insn);
  Registers AnswerTrap(const Registers& before, const TrappedInstruction& insn) const;
  bool AnswerTrapSilently(Task& task);
  Status GoOnAfterTrap(Task& task, const Registers& registers);
  // Whether a fault was of code that is executed for the first time, and it can go on now.
  Result<bool> LetExecute(Task& task, const siginfo_t& info, const Registers& registers, bool logs);
  Status DeliverToHandler(Task& task, int signal, bool synchronous, const Registers& before);
  // Sends held signals again, so that each is delivered before the task's next instruction.
  void Requeue(Task& task);
  Status GoOn(Task& task, int signal = 0);
  Status HandleGone(Task& task, WaitStatus status);

  // supervisor_tracing.cc: tasks that the program stops itself.
  std::optional<TracingAnswer> AnswerWait(const Task& task);
  std::optional<TracingAnswer> Attach(const Task& task, Task* other);
  void LetGoOf(Task& suspended);
  void LetGoOfAll(const Task& tracer);

  // supervisor_filters.cc: what comes of a program's own seccomp filters.
  // A call that was answered has SIGSYS come of it.
  Status Trap(Task& task, int data);
  Status EndBySignal(Task& task, const CallVerdict& verdict);
  // While nobody records: false if the filters refuse the call, which then isn't made.
  bool PassFilters(Task& task);
  // A signal waits for the task's next boundary.
  void Hold(Task& task, const siginfo_t& info);
  // A forced signal (a trap that we asked for) resets a blocked or ignored signal's action: put it
  // back (DESIGN trap 16).
  Status UndoForcedSignal(Task& task, int signal, const Registers& registers);
  Status CheckHeldSignals();
  // Of a stopped task: signals that wait for it, or for its process, and that it doesn't block.
  struct PendingSignals {
    bool ignored = false;  // one that the program ignores
    bool others = false;   // any other
  };
  static PendingSignals PendingOf(const Task& task);
  // Whether the task's call ended with EINTR for signals only that the program ignores, and can be
  // made again. Without a tracer they would never have been sent.
  static bool InterruptedByIgnored(const Task& task);
  // ... for the rest of the time that it was to wait.
  static void ShortenTimeout(Task& task, Registers& exit);
  Status PassOn(Task& task, WaitStatus status);
  // Makes the first task's next call exit_group(status) and lets it go. False if that can't be.
  bool MakeFirstExit(int status);

  // The next stop of any task that may be reaped; nullopt when the wait's bound passed.
  Result<std::optional<ptracer::Stop>> NextStop();
  Task& NewTask(pid_t pid);
  Task* Find(pid_t pid);

  SupervisorOptions options_;
  EventSink& sink_;
  Placement placement_;
  std::unordered_map<pid_t, std::unique_ptr<Task>> tasks_;
  std::unordered_map<pid_t, WaitStatus> early_stops_;  // of tasks whose making hasn't been seen yet
  std::map<pid_t, uint16_t> on_hold_;                  // held at a call's entry: the filter's data
  std::vector<std::shared_ptr<ShareGroup>> undispatched_;  // have a task that was on hold
  Task* first_ = nullptr;                                  // the leader of the first process
  Task* first_held_ = nullptr;                             // the task of it that is held at its end
  bool first_exit_seen_ = false;
  bool first_is_zombie_ = false;
  uint32_t next_id_ = 0;
  int held_tasks_ = 0;      // tasks with held signals: the wait is bounded then
  bool crowded_ = false;    // someone waits for the turn of a task that runs: likewise
  bool several_ = false;    // several groups live: now and then they are spread over the CPUs
  int tick_ms_ = 0;         // the timer's present interval; 0: off
  int64_t step_cost_ = 0;   // ns of a single step, in the dearest look of late
  int64_t last_tick_ = 0;   // ms
  int64_t last_watch_ = 0;  // ms
  bool cpuid_works_ = CpuidTrapWorks();
  bool own_cpuid_trapped_ = false;
};

// Whether the call's fourth argument is a timeout in ms, and the kernel doesn't make it again when
// a signal has ended it.
inline bool HasEpollTimeout(Sys sys) { return sys == Sys::epoll_wait || sys == Sys::epoll_pwait; }

// What the filters of a task that has some say of the call with these registers at its entry.
FilterVerdict JudgeByFilters(const Task& task, const Registers& entry);

}  // namespace retake

#endif  // RETAKE_SUPERVISOR_SUPERVISOR_H_
