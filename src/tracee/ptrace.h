// The ptrace requests and waits that retake makes. No other file calls ptrace or waits for a traced
// task (a waitpid anywhere else would steal stops). All of them belong to the one tracer thread.
//
// A task can be killed between any two requests. Every request then fails with ESRCH; IsGone()
// tells that from other failures, and the caller goes back to waiting, which reports the death.
#ifndef RETAKE_TRACEE_PTRACE_H_
#define RETAKE_TRACEE_PTRACE_H_

#include <signal.h>
#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "arch/arch.h"
#include "base/result.h"
#include "tracee/wait_status.h"

namespace retake {

inline bool IsGone(const Error& error) { return error.code() == ESRCH; }

// How to let a stopped task go on.
enum class ResumeKind : uint8_t {
  kContinue,   // to the next event of the filter, or signal
  kToSyscall,  // to the next syscall-entry or exit stop
  kEmulate,    // to the next syscall-entry stop, and make no call there (PTRACE_SYSEMU)
  kToFilter,   // to the next call that the filter hands over; the present one isn't made
  kStep,       // one instruction
  kListen,     // stay in group-stop
};

namespace ptracer {

// Attaches without stopping the task. `options` are PTRACE_O_*.
Status Seize(pid_t pid, uint64_t options);
Status SetOptions(pid_t pid, uint64_t options);
// Sets these options, and that the task's seccomp filters don't act while it is traced.
Status SuspendSeccomp(pid_t pid, uint64_t options);
Status Interrupt(pid_t pid);
Status Detach(pid_t pid);
Status Resume(pid_t pid, ResumeKind kind, int signal = 0);

Status GetRegisters(pid_t pid, Registers& registers);
Status SetRegisters(pid_t pid, const Registers& registers);
// The whole vector regset, as many bytes as the kernel has.
Status GetVector(pid_t pid, std::vector<uint8_t>& state);
// `state` must be whole: a short one is refused by the kernel.
Status SetVector(pid_t pid, ByteSpan state);

// Any regset, of at most so many bytes; none if the machine has no such thing.
Result<std::vector<uint8_t>> GetRegset(pid_t pid, uint32_t type, size_t most);
Status SetRegset(pid_t pid, uint32_t type, ByteSpan bytes);

// The bytes of the word at an address; none if they can't be read.
std::vector<uint8_t> PeekWord(pid_t pid, uint64_t address);

Result<uint64_t> EventMessage(pid_t pid);
Status GetSiginfo(pid_t pid, siginfo_t& info);
Status SetSiginfo(pid_t pid, const siginfo_t& info);
// The signals that wait for the task; with `shared`, those that wait for its process.
Result<std::vector<siginfo_t>> PeekPending(pid_t pid, bool shared);
// Registered restartable sequences. All zero where there are none, or the kernel can't tell (before
// 5.13).
struct RseqConfiguration {
  uint64_t address;
  uint32_t size, signature, flags, padding;
};
Result<RseqConfiguration> GetRseq(pid_t pid);
// The nth of a stopped task's seccomp filters, the oldest first: its instructions (struct
// sock_filter); nullopt behind the last. EACCES without CAP_SYS_ADMIN, or for a caller that is
// confined itself; EMEDIUMTYPE where the kernel doesn't have them any more.
Result<std::optional<std::vector<uint8_t>>> GetSeccompFilter(pid_t pid, uint64_t n);
// The flags that it was installed with, as far as the kernel tells: SECCOMP_FILTER_FLAG_LOG.
Result<uint64_t> GetSeccompFlags(pid_t pid, uint64_t n);
// Whether a stopped task has its calls dispatched by SIGSYS (PR_SET_SYSCALL_USER_DISPATCH). Kernels
// before 6.4 don't tell: then false.
bool HandlesOwnCalls(pid_t pid);
Result<uint64_t> GetSigmask(pid_t pid);
Status SetSigmask(pid_t pid, uint64_t mask);

// Waits for any task of this thread's. nullopt if a signal came instead (a timer that bounds the
// wait).
struct Stop {
  pid_t pid;
  WaitStatus status;
};
Result<std::optional<Stop>> WaitAny();
// Waits for one task, for at most `milliseconds` (0: does not block; negative: for ever, for a task
// that is certain to stop). nullopt if it didn't stop in time.
Result<std::optional<WaitStatus>> WaitOne(pid_t pid, int milliseconds);
// For whoever waited for something else, and met a stop that is this thread's main loop's to see (a
// task's end, at any moment): the next wait for it, or for any, has it again.
void PutBack(pid_t pid, WaitStatus status);
// Kills a process that is traced, and waits until it is gone.
void KillAndReap(pid_t pid);
// Reaps all children of this process, all of which have been killed; no longer than that.
void ReapAll(int milliseconds);
// Like WaitOne with no bound, but leaves a task that ended unreaped, so that its parent doesn't
// learn of it yet.
Result<WaitStatus> PeekExit(pid_t pid, int milliseconds);

}  // namespace ptracer
}  // namespace retake

#endif  // RETAKE_TRACEE_PTRACE_H_
