// Syscalls made by a stopped task on the supervisor's behalf.
//
// The first goes through a syscall instruction of the vDSO and maps the stub page; every later one
// is a batch in the stub (stub/layout.h): one resume and one stop for any number of calls. All of
// these leave the task's general registers changed; the caller sets them again, as it does at the
// end of every stop anyway. Vector registers are as before.
#ifndef RETAKE_TRACEE_REMOTE_CALLS_H_
#define RETAKE_TRACEE_REMOTE_CALLS_H_

#include <sys/types.h>

#include <optional>
#include <span>
#include <vector>

#include "arch/arch.h"
#include "stub/layout.h"
#include "tracee/maps.h"
#include "tracee/memory.h"
#include "tracee/ptrace.h"

namespace retake {

inline uint64_t Pc(const Registers& registers) { return registers.words[HostArch().pc]; }
inline uint64_t Sp(const Registers& registers) { return registers.words[HostArch().sp]; }
inline void SetPc(Registers& registers, uint64_t pc) { registers.words[HostArch().pc] = pc; }

// A call for a batch: the number of `sys` on this host.
BatchCall MakeCall(Sys sys, uint64_t a0 = 0, uint64_t a1 = 0, uint64_t a2 = 0, uint64_t a3 = 0,
                   uint64_t a4 = 0, uint64_t a5 = 0);

// A result as the kernel gives it: an error is -errno.
inline bool CallFailed(uint64_t result) { return result > ~uint64_t{4095}; }

class RemoteCalls {
 public:
  // `registers` are the task's at its present stop, which is any but a syscall-entry stop whose
  // call is still to be made. `stub` is where its stub is, or is to be.
  RemoteCalls(pid_t pid, TaskMemory& memory, const Registers& registers,
              uint64_t stub = kStubAddress)
      : pid_(pid), memory_(memory), registers_(registers), stub_(stub) {
    machine::ForgetSyscall(registers_);
  }

  // kStubScratchSize bytes in the task for what calls point to.
  uint64_t scratch() const { return stub_ + (kStubScratchAddress - kStubAddress); }

  // Maps the stub into a process that hasn't got it. `mappings` are its present ones.
  Status InstallStub(std::span<const Mapping> mappings);
  // Makes the calls in order; each result is stored in its `result`. More than a batch holds is
  // split.
  Status Run(std::span<BatchCall> calls);
  // No call: brings the task to the stub's break, a stop like any signal's.
  Status Break() { return RunBatch({}); }
  // One call; its result.
  Result<uint64_t> Call(const BatchCall& call);
  // Makes one clone call that copies the process, without sharing; returns the child's pid, which
  // is stopped at its first stop with the parent's registers as they are in the stub.
  Result<pid_t> Fork();
  // The same by clone3: a child or a thread as `flags` say, which tells its parent its end by
  // `exit_signal`, with the pid `tid`; 0: any that is free. Uses the scratch.
  Result<pid_t> Clone(uint64_t flags, int exit_signal, pid_t tid);
  // Unmaps the stub again, at the very end.
  Status RemoveStub(std::span<const Mapping> mappings);

 private:
  Result<uint64_t> VdsoSyscall(std::span<const Mapping> mappings) const;
  Result<pid_t> AwaitChild();
  Error MeetOther(WaitStatus status) const;
  // The vector state that has to be set again behind a call; empty where there is no need.
  Result<std::vector<uint8_t>> DroppedByCalls() const;
  // One call through the syscall instruction at `address`, with stops at entry and exit.
  Result<uint64_t> CallAt(uint64_t address, const BatchCall& call);
  Status RunBatch(std::span<BatchCall> calls);
  // Resumes and waits for the break that ends the batch. A new task met on the way goes to
  // `child_`.
  Status WaitForBreak();

  pid_t pid_;
  TaskMemory& memory_;
  Registers registers_;
  uint64_t stub_;
  std::optional<pid_t> child_;
};

// While it lives, the task's signals are blocked, so that none is delivered in the middle of
// injected calls; signals that come meanwhile stay pending. Needed for a live program only: nothing
// signals a husk.
class SignalsHeld {
 public:
  static Result<SignalsHeld> Hold(pid_t pid);
  // All but those that the task's own instructions raise, for a task that executes its own code: to
  // block those would be to lose their actions when they are forced.
  static Result<SignalsHeld> HoldAsynchronous(pid_t pid);
  SignalsHeld(SignalsHeld&& other) noexcept
      : pid_(std::exchange(other.pid_, 0)), mask_(other.mask_) {}
  SignalsHeld& operator=(SignalsHeld&&) = delete;
  ~SignalsHeld();

 private:
  static Result<SignalsHeld> HoldMask(pid_t pid, uint64_t blocked);
  SignalsHeld(pid_t pid, uint64_t mask) : pid_(pid), mask_(mask) {}
  pid_t pid_;
  uint64_t mask_;
};

}  // namespace retake

#endif  // RETAKE_TRACEE_REMOTE_CALLS_H_
