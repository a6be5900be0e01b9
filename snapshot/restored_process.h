// RestoredProcess: a process in the making. It begins as a husk (snapshot/husk.h) with the pid that
// it shall have, is rebuilt by calls that it makes for itself, and is let go when all of the tree
// are ready. Until then its end is ours: if we die, it goes too.
#ifndef RETAKE_SNAPSHOT_RESTORED_PROCESS_H_
#define RETAKE_SNAPSHOT_RESTORED_PROCESS_H_

#include <sys/ptrace.h>
#include <sys/types.h>

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/fd.h"
#include "snapshot/checkpoint_file.h"
#include "snapshot/checkpoint_image.h"
#include "snapshot/pager.h"
#include "tracee/memory.h"
#include "tracee/remote_calls.h"

namespace retake {

// What the restoring process may do.
enum class Rights : uint8_t {
  kAll,           // CAP_CHECKPOINT_RESTORE, and whatever else it has
  kOwnNamespace,  // all in a user namespace of its own, which has no other user and group
  kNone,          // what any process may do for itself
};

// What the processes of a tree are made from. The descriptors are open in each of them, under the
// same numbers as here, all from `lowest` on.
struct RestoreMaterial {
  std::vector<int> mapped_files;    // one per CheckpointImage::mapped_files
  std::vector<int> shared_objects;  // ... shared_objects
  std::vector<int> open_files;      // ... open_files
  std::vector<int> terminals;       // slaves of pseudoterminals that none of these is
  // A pair of sockets, to give them what is opened later: ours, and the processes' own.
  std::vector<int> passing;
  int lowest = 0;
  uint64_t stub = 0;  // an address where no process of the image has anything
  Rights rights = Rights::kAll;
  bool in_front = false;    // a command waits for its end
  bool for_parent = false;  // the root is to be our parent's child, not ours
};

// How each task is traced until it is let go.
inline constexpr uint64_t kRestoreTraceOptions = PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL |
                                                 PTRACE_O_TRACEEXEC | PTRACE_O_TRACEFORK |
                                                 PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE;

class RestoredProcess {
 public:
  // Starts a husk as our child, or our parent's, which may get `pid`; 0: any.
  static Result<std::unique_ptr<RestoredProcess>> Start(const RestoreMaterial& material, pid_t pid);
  RestoredProcess(const RestoredProcess&) = delete;
  RestoredProcess& operator=(const RestoredProcess&) = delete;
  // Ends it, unless it was let go.
  ~RestoredProcess();

  pid_t pid() const { return pid_; }
  const TaskMemory& memory() const { return memory_; }
  // The id that the task has now that had `tid`; 0: it isn't of this process.
  pid_t PresentTid(const ProcessState& state, pid_t tid) const;

  // A child of it, as empty as it is.
  Result<std::unique_ptr<RestoredProcess>> StartChild(pid_t pid, int exit_signal);
  // A child of its parent, in its own session and group, which ends with the signal that it ends
  // with.
  Result<std::unique_ptr<RestoredProcess>> StartSibling(pid_t pid);
  // One call of its own.
  Result<uint64_t> Call(const BatchCall& call);
  // The same with bytes that the call points to, at scratch().
  Result<uint64_t> CallWith(ByteSpan bytes, const BatchCall& call);
  uint64_t scratch() const;

  // It gets our descriptor `fd` under the number `number`, in place of what it has there.
  Status Pass(int fd, int number);
  Status BuildMemory(const CheckpointImage& image, const ProcessState& state,
                     CheckpointReader& pages);
  // Working directory, what is done on signals, and those that wait.
  Status BuildState(const ProcessState& state);
  Status BuildDescriptors(const CheckpointImage& image, const ProcessState& state);
  // Makes its other threads, and what each task has for itself.
  Status BuildTasks(const ProcessState& state);
  // Takes the stub away and gives each task its registers.
  Status Complete(const ProcessState& state);
  // All of it goes on by itself. With `stop_signal`, stopped.
  Status Release(const ProcessState& state);
  // For a process that shall have ended: ends it with that status, as its parent will see it.
  Status EndAs(int wait_status);

 private:
  struct Task {
    pid_t tid;
    Registers registers;  // at its present stop
  };

  // A mapping of the kernel's, and where it shall be.
  struct Move {
    uint64_t from, to, size;
  };

  RestoredProcess(const RestoreMaterial& material, pid_t pid, TaskMemory memory)
      : material_(material), pid_(pid), memory_(std::move(memory)) {}

  Status Prepare();
  Result<std::unique_ptr<RestoredProcess>> StartProcess(uint64_t flags, int exit_signal, pid_t pid);
  // Those that TaskState is about, in its order: without a leader that shall have exited.
  std::span<const Task> LivingTasks(const ProcessState& state) const;
  Status ExitLeader(const ProcessState& state);
  static Status SetRegsets(pid_t tid, const TaskState& state);
  // The leader goes on with that call, which ends it.
  Status LetExit(const BatchCall& exit);
  RemoteCalls Remote(const Task& task);
  // Makes the calls; the first that fails is the error, told with `what`.
  Status SetLimits(const ProcessState& state);
  Status Run(std::span<BatchCall> calls, const char* what);
  Status CallTask(const Task& task, ByteSpan bytes, const BatchCall& call, const char* what);

  Status EmptyMemory(const std::vector<Mapping>& mappings);
  // `present`: the kernel's own mappings in the husk.
  Status PlaceKernelRegions(const CheckpointImage& image, const ProcessState& state,
                            std::span<const Mapping> present);
  Status MoveMappings(std::span<const Move> moves, const ProcessState& state);
  // Puts the image's vDSO where it was, its functions going on in `vdso`, which is at `address`.
  Status ForwardVdso(const CheckpointImage& image, const ProcessState& state, ByteSpan vdso,
                     uint64_t address);
  Status MapRegions(const ProcessState& state);
  Status StartPager(LazyMemory memory, CheckpointReader& pages, std::vector<PageRange>& at_once);
  Status FillPages(std::vector<PageRange> ranges, CheckpointReader& pages);
  // Bit n, key n: those that are allocated now.
  Result<uint64_t> AllocateKeys(const ProcessState& state);
  Status ProtectRegions(const ProcessState& state);
  Status SetPolicies(const ProcessState& state);
  Status SealRegions(const ProcessState& state);
  Status SetLayout(const ProcessState& state, int executable);
  Status BuildTask(const Task& task, const TaskState& state);
  // Puts it under its seccomp filters, which act once it is let go.
  Status Confine(const Task& task, const SeccompConfinement& want);
  Status SetCredentials(const Task& task, const Credentials& want);
  Status BuildTimers(const ProcessState& state);
  Status BuildPosixTimer(const PosixTimer& timer, const ProcessState& state, bool by_id);
  Status SetAttributes(const Task& task, const TaskState& state);

  const RestoreMaterial& material_;
  pid_t pid_;
  TaskMemory memory_;
  std::vector<Task> tasks_;     // the leader first
  std::optional<Pager> pager_;  // brings memory later
  bool released_ = false;
};

}  // namespace retake

#endif  // RETAKE_SNAPSHOT_RESTORED_PROCESS_H_
