// Injection: calls made by a task that isn't ours, in its own name.
//
// The code lies in unused bytes of the task's vDSO, which every task has and nothing else uses, and
// it needs nobody to go on: should we die at any instant, the task finishes the calls, gives back
// what was mapped, and goes on where it was (arch/<isa>/inject.S). Signals stay pending meanwhile.
//
// It begins and ends with the task's registers as they were at its stop, and ends at a stop too. So
// it is the kernel that continues an interrupted call, with the time that remained of it. (A signal
// return would have made the kernel forget that time.)
//
// A batch of calls costs one stop: by a signal that the task sends to itself, one that it neither
// catches nor blocks and that is ignored by default. Where a task has none such, it is stopped at
// each call.
#ifndef RETAKE_SNAPSHOT_INJECTION_H_
#define RETAKE_SNAPSHOT_INJECTION_H_

#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "snapshot/frozen_tree.h"
#include "stub/layout.h"
#include "tracee/maps.h"
#include "tracee/memory.h"
#include "tracee/proc_files.h"
#include "tracee/remote_calls.h"

namespace retake {

// Where a process has room for the code, and what must lie there again afterwards.
struct InjectionSite {
  uint64_t address = 0;
  // Fails where there is no vDSO or not enough room in it.
  static Result<InjectionSite> Find(const TaskMemory& memory, std::span<const Mapping> mappings,
                                    pid_t pid);
};

class Injection {
 public:
  static constexpr uint64_t kScratchSize = 0x1'0000;

  // `task` is at its stop; `status` is /proc/PID/task/TID/status. Maps scratch memory in it.
  static Result<std::unique_ptr<Injection>> Begin(pid_t pid, const FrozenTask& task,
                                                  const ProcStatus& status,
                                                  const TaskMemory& memory,
                                                  const InjectionSite& site);
  Injection(const Injection&) = delete;
  Injection& operator=(const Injection&) = delete;
  ~Injection();

  // A call of the next batch; `call` may point into Room. Its index, for `result`.
  size_t Add(const BatchCall& call);
  // The address of `size` zero bytes, aligned to 16, that calls of the next batch may write to.
  uint64_t Room(size_t size);
  // Makes the calls that were added since the last batch, and reads what they gave.
  Status Run();
  // Of the last batch.
  uint64_t result(size_t index) const { return calls_[index].result; }
  template <typename T>
  T At(uint64_t address) const {
    T value;
    memcpy(&value, BytesAt(address, sizeof value).data(), sizeof value);
    return value;
  }
  ByteSpan BytesAt(uint64_t address, size_t size) const;
  Status End();
  // Where it has mapped what calls need.
  uint64_t scratch() const { return home_.scratch; }

  // A process in the same memory that makes calls, and that the task's parent, its other tasks and
  // its signals know nothing of. It is traced, stopped, and ends with us. Between the two calls the
  // task stands still.
  Result<pid_t> StartHelper();
  // Ends and reaps it.
  Status EndHelper(pid_t helper);
  // Where a traced task in the same memory makes a call by a syscall instruction.
  uint64_t syscall_address() const { return site_.address + machine::Inject().call; }

 private:
  Injection(pid_t pid, const FrozenTask& task, const TaskMemory& memory, const InjectionSite& site);
  Status Enter(const ProcStatus& status);
  // One call, whose arguments point to nothing.
  Result<uint64_t> Call(const BatchCall& call);
  // Has the task go on with these registers at that offset of the code.
  Status Aim(Registers registers, uint64_t code);
  // Resumes to the stop behind the calls.
  Status ToStop();
  Status WriteTable();
  void BeginBatch();
  // Gives the task back its registers at its stop.
  Status Restore();
  // Has the task begin its call again, no further than the call's entry.
  Status LeadIntoCall();

  const FrozenTask& task_;
  const TaskMemory& memory_;
  InjectionSite site_;
  InjectHome home_;
  uint64_t trace_options_ = FrozenTree::kTraceOptions;
  bool entered_ = false;
  bool stop_met_ = false;  // a SIGSTOP, which can't be blocked
  std::vector<BatchCall> calls_;
  std::vector<uint8_t> room_;
  bool ran_ = true;  // what is added next is of a new batch
};

}  // namespace retake

#endif  // RETAKE_SNAPSHOT_INJECTION_H_
