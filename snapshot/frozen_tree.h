// FrozenTree: processes that are running, held still.
//
// Each task is seized and interrupted: no signal is sent, nothing of theirs changes, and whatever
// happens to us, the kernel lets them go on. Tasks and children are looked for until a whole look
// finds none that isn't held, since one that still ran may have made another.
#ifndef RETAKE_SNAPSHOT_FROZEN_TREE_H_
#define RETAKE_SNAPSHOT_FROZEN_TREE_H_

#include <sys/ptrace.h>
#include <sys/types.h>

#include <memory>
#include <optional>
#include <vector>

#include "arch/arch.h"
#include "base/result.h"

namespace retake {

struct FrozenTask {
  pid_t tid = 0;
  Registers registers;       // at the stop; a call that ended for its sake is rewound
  StoppedCall call;          // what it was in
  uint64_t signal_mask = 0;  // bit n - 1 for signal n
  int stopped_by = 0;        // in a job-control stop: the signal; else 0
  // What it slept in right before, where a stop hides that.
  std::optional<SleepingCall> sleeping;
};

struct FrozenProcess {
  pid_t pid = 0;
  size_t parent = 0;  // index into the tree; the root's is its own
  bool zombie = false;
  bool leader_exited = false;     // with other tasks alive
  std::vector<FrozenTask> tasks;  // the leader first where it lives; ascending tids
};

// Whether a signal waits that the task will be given as soon as it goes on.
bool SignalWaits(pid_t tid);

class FrozenTree {
 public:
  // What its tasks are traced with: never with EXITKILL, they are not ours.
  static constexpr uint64_t kTraceOptions = PTRACE_O_TRACESYSGOOD;

  // Stops `root`, and with `descendants` its children, theirs, and so on. Parents come before their
  // children. What had been stopped goes on if that fails; the errors name the pid and what holds
  // it: another tracer, a task that doesn't stop, one that isn't ours.
  static Result<std::unique_ptr<FrozenTree>> Freeze(pid_t root, bool descendants);
  FrozenTree(const FrozenTree&) = delete;
  FrozenTree& operator=(const FrozenTree&) = delete;
  // Lets everything go on that is still held.
  ~FrozenTree();

  std::vector<FrozenProcess>& processes() { return processes_; }

  // Lets all go on; those in a job-control stop stay in it.
  void Release();
  // Lets them go with a stop: as if SIGSTOP had come.
  void LeaveStopped();
  // Ends them. They are their parents' to reap.
  void Kill();

  // How long they have been held, from the first stop to the last release, in nanoseconds.
  int64_t pause() const { return released_at_ - stopped_at_; }

 private:
  explicit FrozenTree(bool descendants) : descendants_(descendants) {}
  Status FreezeAll(pid_t root);
  // True if there was a task or child that wasn't held yet.
  Result<bool> FreezeNew();
  Result<bool> FreezeTasks(FrozenProcess& process);
  Status Seize(FrozenProcess& process, pid_t tid);
  // False if the task has ended.
  Result<bool> AwaitStop(FrozenTask& task);
  Status ReadStop(FrozenTask& task);

  bool descendants_;
  std::vector<FrozenProcess> processes_;
  int64_t stopped_at_ = 0;
  int64_t released_at_ = 0;
};

}  // namespace retake

#endif  // RETAKE_SNAPSHOT_FROZEN_TREE_H_
