// Injection: calls made by a task that isn't ours, in its own name.
//
// The code lies in unused bytes of the task's vDSO, which every task has and nothing else uses, and
// it needs nobody to go on: should we die at any instant, the task finishes the call, gives back
// what was mapped, and goes on where it was (arch/<isa>/inject.S). Signals stay pending meanwhile.
//
// It begins and ends at a stop of PTRACE_INTERRUPT, with the task's registers as they were there.
// So it is the kernel that continues an interrupted call, with the time that remained of it. (A
// signal return would have made the kernel forget that time.)
#ifndef RETAKE_SNAPSHOT_INJECTION_H_
#define RETAKE_SNAPSHOT_INJECTION_H_

#include <memory>
#include <span>
#include <string>

#include "snapshot/frozen_tree.h"
#include "stub/layout.h"
#include "tracee/maps.h"
#include "tracee/memory.h"
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

  // `task` is at its stop. Maps scratch memory in it.
  static Result<std::unique_ptr<Injection>> Begin(const FrozenTask& task, const TaskMemory& memory,
                                                  const InjectionSite& site);
  Injection(const Injection&) = delete;
  Injection& operator=(const Injection&) = delete;
  ~Injection();

  // kScratchSize bytes that calls may read and write.
  uint64_t scratch() const { return home_.scratch; }
  Result<uint64_t> Call(const BatchCall& call);
  Status End();

 private:
  Injection(const FrozenTask& task, const TaskMemory& memory, const InjectionSite& site)
      : task_(task), memory_(memory), site_(site) {}
  Status Enter();
  // The next thing that the task does is the call, and then it goes home.
  Status Aim(const BatchCall& call);
  Status WriteTable();
  // Resumes to the next stop at the begin or the end of a call.
  Status ToSyscallStop();
  // Resumes to the stop of an interrupt, and gives the task back its registers there.
  Status Leave();

  const FrozenTask& task_;
  const TaskMemory& memory_;
  InjectionSite site_;
  InjectHome home_;
  bool entered_ = false;
  bool stop_met_ = false;  // a SIGSTOP, which can't be blocked
};

}  // namespace retake

#endif  // RETAKE_SNAPSHOT_INJECTION_H_
