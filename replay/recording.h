// Recording: turns what the supervisor sees into the events of a trace.
//
// Every call whose row says "stop" has its entry registers kept at the entry stop; at the exit stop
// its outputs are read from the program's memory as the syscall table tells, its effect on the
// mappings is put in terms that a replay executes, and one event is written. User code of different
// processes runs in parallel; the order of events in the trace is the order in which the tracer
// handled their stops, and since processes without common memory touch each other through events
// only, a replay in that order is right.
#ifndef RETAKE_REPLAY_RECORDING_H_
#define RETAKE_REPLAY_RECORDING_H_

#include <sched.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include "replay/event.h"
#include "replay/fd_table.h"
#include "replay/file_maps.h"
#include "replay/page_copies.h"
#include "replay/redirection.h"
#include "replay/state_match.h"
#include "replay/trace.h"
#include "replay/unseen_code.h"
#include "snapshot/capture.h"
#include "supervisor/event_sink.h"
#include "supervisor/fixpoint.h"
#include "supervisor/supervisor.h"
#include "tracee/planted_traps.h"

namespace retake {

struct RecordingOptions {
  bool portable = false;
  bool filtered = false;  // an outer seccomp filter is in force, and the program may know
  EchoTargets echo;
  cpu_set_t affinity;  // what the program believes it may run on
  // A memory hash every so many events; 0: as often as costs a fiftieth of the time.
  int check_interval = 0;
  CodeNotes* notes = nullptr;  // outlive the recording
  // Shows a warning at once, for a program that may never come to its end.
  std::function<void(std::string_view)> warn_now;
};

class Recording : public EventSink, private ContentStore {
 public:
  Recording(RecordingOptions options, TraceWriter& trace);

  void set_supervisor(Supervisor& supervisor) { supervisor_ = &supervisor; }
  // Warnings for people, each once; the caller shows them.
  std::vector<std::string> TakeWarnings() { return std::exchange(warnings_, {}); }

  Status OnExec(Task& task, const Registers& registers,
                const std::vector<Mapping>& mappings) override;
  Result<CallVerdict> OnCallEntry(Task& task, uint16_t filter_data) override;
  Status OnCallExit(Task& task, Registers& exit) override;
  Status OnCallInterrupted(Task& task, const Registers& exit) override;
  Status OnCallEntered(Task& task) override;
  bool CopySharesMemory(const Task& task) override;
  bool IsInCallThatBlocks(Task& task) override;
  Status OnNewTask(Task& parent, Task& child, NewTaskKind kind) override;
  Status OnSignal(Task& task, const SignalArrival& arrival) override;
  Result<Preemption> Preempt(Task& task, uint32_t spin_steps) override;
  void OnLivelock(const std::vector<Task*>& tasks, int64_t duration) override;
  Status OnTrap(Task& task, TrapKind kind, const Registers& before,
                const Registers& after) override;
  Result<bool> OnFirstRun(Task& task, const Registers& registers, uint64_t address,
                          bool logs) override;
  Result<Preemption> FinishFirstRun(Task& task, const Registers& registers) override;
  Status OnExiting(Task& task) override;
  Status OnReleased(Task& task) override;
  Status OnGone(Task& task, WaitStatus status) override;

 private:
  // What the tasks of one address space share.
  struct ProcessState {
    FileMaps maps;
    UnseenCode unseen;
    int first_runs = 0;  // executions of made code that were stepped through
    struct FirstRun {
      PageRun page;
      uint32_t prot;  // what the program wants it to be
    };
    std::optional<FirstRun> first_run;  // the present one
    uint64_t brk = 0;                   // the program break; 0: not known yet
    bool undumpable = false;
    Scratch scratch;
    SpinDetector spins;
    StateMarker marker;
  };
  // A word of memory that the kernel writes when a task ends.
  struct LastWord {
    uint64_t address;
    uint32_t value;  // before
  };
  struct TaskState {
    Task* task = nullptr;  // null once it is gone
    std::shared_ptr<ProcessState> process;
    std::shared_ptr<FdTable> fds;
    std::vector<Range>
        interrupted_outputs;           // written by attempts of a call that the kernel restarted
    std::optional<bool> has_our_time;  // not known until it asks
    std::optional<PageCopies> copies;  // for a call with unknown outputs
    struct FileSource {
      int fd;
      uint64_t offset;
      std::vector<uint8_t> bytes;  // what a pipe held; empty for a regular file
    };
    std::optional<FileSource>
        echo_source;                    // of a call that copies from a file to what is shown again
    bool writes_echo = false;           // it is in a call that writes to what is shown again
    std::optional<cpu_set_t> affinity;  // what it believes it has set
    bool borrows_memory = false;        // a vfork child before its exec
    bool cpuid_trapped = false;
    bool must_trap_cpuid = false;  // it has made a task that shares its memory: likewise from now
    bool entered = false;          // the entry of its present call is an event of its own
    std::optional<Redirection> redirection;  // of its present call
    uint64_t clear_tid = 0;                  // CLONE_CHILD_CLEARTID, set_tid_address
    uint64_t robust_list = 0;                // set_robust_list
    std::vector<LastWord> last_words;
    std::optional<StateMark> park;  // where it was parked last
  };

  Result<uint32_t> KeepFile(int fd, const struct stat& status, const std::string& path) override;

  TaskState& State(const Task& task);
  void LogEntry(Task& task);
  bool MayBlockNow(Task& task, const Row& row);
  // Maps the scratch area into the task's process.
  Status MapScratch(Task& task);
  void FollowTask(Task& task);
  void NoteLastWords(Task& task);
  void AddLastWords(Task& task);
  void WriteLastWordsElsewhere(TaskState& state);
  Call CallOf(const Task& task, int64_t result) const;
  // As the kernel was given it.
  Call MadeCallOf(const Task& task, int64_t result) const;
  // Logs a call that the kernel doesn't make, and answers it.
  Result<CallVerdict> Answer(Task& task, int64_t result);
  // The same of a call whose results have been written into the program's memory.
  CallVerdict AnswerWritten(Task& task, int64_t result, std::span<const TaskMemory::Output> writes);
  // Calls that are answered or refused here, whatever the table says; nullopt for the rest.
  Result<std::optional<int64_t>> AnswerBySelf(Task& task, const Row& row);
  Result<std::optional<int64_t>> AnswerPrctl(Task& task);
  int64_t SetAffinity(Task& task);

  // recording_time.cc: calls that ask for the time.
  // Logs and answers it; nullopt where the kernel has to be asked.
  std::optional<CallVerdict> AnswerTime(Task& task);
  Result<CallVerdict> AnswerLegacyPage(Task& task);
  // Whether the clocks show the task what they show us: it is in our time namespace.
  bool HasOurTime(Task& task);

  // recording_filters.cc: the program's own seccomp filters.
  // Nothing, if they let the call through.
  Result<std::optional<CallVerdict>> JudgeByOwnFilters(Task& task);
  int64_t AnswerSeccomp(Task& task);
  int SeccompModeOf(const Task& task) const;
  int64_t AnswerStrictMode(Task& task);
  int64_t AnswerFilterMode(Task& task, uint64_t flags, uint64_t address);

  // recording_writes.cc: for a call that writes to a file, what of it matters to a replay.
  Result<std::optional<int64_t>> PrepareWrite(Task& task, const Row& row);
  Status FinishWrite(Task& task, const Row& row, int64_t result);
  Status AddFileWriteEffects(Task& task, const FdInfo& info, const Row& row, int64_t result);
  void AddEcho(Task& task, const Row& row, int64_t result);
  // Of a write that isn't shown again: what a replay is to have in memory too.
  void AddWritten(Task& task, const Row& row, uint64_t size);
  // Where a call that copies from file to file (sendfile and its kin) begins to read; false if it
  // isn't from a plain file.
  bool FindEchoSource(Task& task);

  // False if the program's buffers turned out not to be writable.
  Result<bool> AddMemory(Task& task, const Row& row, int64_t result);
  void ReadInto(const Task& task, const std::vector<Range>& outputs,
                const std::vector<Range>& previews);
  Status FollowSignals(Task& task, const Row& row, int64_t result);

  // recording_memory.cc: effects on the mappings.
  Status AddMapEffect(Task& task, MapEffect effect, int64_t result);
  Status AddMap(Task& task, uint64_t address);
  Status AddFileMap(Task& task, uint64_t address, uint64_t size);
  Status AddRemap(Task& task, uint64_t to);
  Status AddBrk(Task& task, uint64_t result);
  Status AddAdvise(Task& task);
  Status LearnBrk(Task& task);

  // recording_sharing.cc: memory that processes share.
  struct SharedObject {
    uint32_t object;
    uint64_t size;  // bytes, as far as the trace has them
  };
  // What the trace has for a file that is mapped shared by a living process, or null.
  const SharedObject* FindShared(const FileId& id) const;
  // True if the call has to wait until other processes that use the same memory stand still.
  Result<bool> ShareBeforeCall(Task& task, const Row& row);
  Result<bool> ShareWithUsersOf(Task& task, const FileId& id, bool writes);
  Status AddLiveMap(Task& task, const SharedObject& live, uint64_t file_size, const FileMap& map,
                    MapOp& op);
  Status AddAttach(Task& task, uint64_t address);
  Status AddDetach(Task& task);
  // The call changed memory of other processes, too.
  void WriteChangesElsewhere();

  // recording_traps.cc: instructions that trap.
  // From here on cpuid traps in the task, as the event says.
  Status TrapCpuid(Task& task, const Registers& registers);
  // Of a task that shares the parent's memory, before it runs.
  Status TrapCpuidInBoth(Task& parent, Task& child);
  void AddCpuidTrap();
  // What must be made to trap by a change of code.
  TrapKinds KindsToPlant(const Task& task);
  // Of a mapped file's code; the event has the changes.
  Status PlantTraps(Task& task, const MappedCode& code, int fd, const struct stat& status,
                    TrapKinds kinds);
  void AddPlanted(const PlantedTrap& planted);
  // ... of all that is mapped in a range.
  Status PlantTrapsIn(Task& task, const Range& range, TrapKinds kinds);
  Status PlantTrapsIn(Task& task, const Range& range, const std::vector<Mapping>& mappings,
                      TrapKinds kinds);

  // Has a call that makes memory executable that is no file's make it everything but that.
  void WithholdExecution(Task& task, MapEffect effect);
  // After such a call, or another that maps or protects the range.
  void FollowUnseen(Task& task, uint64_t address, uint64_t size);
  // Protects a page of code, as the event says, too.
  Status ProtectCode(Task& task, const Registers& registers, const PageRun& page, uint32_t prot);

  void Begin(Task& task, EventKind kind);
  void Write(Task& task);
  // Adds a hash of the task's memory to the event, if it is time for one.
  void AddHash(const Task& task);
  // The trace can't be written any more: the error.
  Status CheckHealth();
  void Count(const std::string& what);
  void Warn(std::string text);

  RecordingOptions options_;
  TraceWriter& trace_;
  Supervisor* supervisor_ = nullptr;
  std::vector<TaskState> tasks_;
  Event event_;
  std::unordered_set<FileId, FileIdHash> mapped_files_;   // ever mapped by a process of the tree
  std::unordered_set<FileId, FileIdHash> written_files_;  // ever written by one
  std::unordered_map<FileId, SharedObject, FileIdHash> shared_objects_;
  std::vector<std::pair<Task*, std::vector<Range>>> changed_elsewhere_;
  std::optional<uint32_t> echo_writer_;  // the task that is in a call that writes to what is shown
  TrapPlanter planter_;
  // Memory that is writable at first can become executable later: the kernel forbids it to none.
  bool may_withhold_;
  uint64_t events_ = 0;
  int64_t next_hash_;  // ns, CLOCK_MONOTONIC
  std::unordered_set<std::string> warned_;
  std::vector<std::string> warnings_;
};

}  // namespace retake

#endif  // RETAKE_REPLAY_RECORDING_H_
