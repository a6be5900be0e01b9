// WaitStatus: what waitpid said of a traced task, told apart into the kinds of stop that ptrace(2)
// describes for a task attached with PTRACE_SEIZE and PTRACE_O_TRACESYSGOOD.
#ifndef RETAKE_TRACEE_WAIT_STATUS_H_
#define RETAKE_TRACEE_WAIT_STATUS_H_

#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include <cstdint>

namespace retake {

enum class StopKind : uint8_t {
  kExited,     // the task is gone: it exited
  kKilled,     // the task is gone: a signal ended it
  kSyscall,    // syscall-entry or syscall-exit stop
  kSeccomp,    // PTRACE_EVENT_SECCOMP: a call that the filter hands to the tracer, at its entry
  kExec,       // PTRACE_EVENT_EXEC
  kNewTask,    // PTRACE_EVENT_FORK, _VFORK, _CLONE
  kVforkDone,  // PTRACE_EVENT_VFORK_DONE
  kExiting,    // PTRACE_EVENT_EXIT
  kEventStop,  // PTRACE_EVENT_STOP with SIGTRAP: a new task's first stop, PTRACE_INTERRUPT, the end
               // of a group-stop
  kGroupStop,  // PTRACE_EVENT_STOP with a stopping signal
  kSignal,     // signal-delivery-stop
};

class WaitStatus {
 public:
  WaitStatus() = default;
  explicit WaitStatus(int status) : status_(status) {}

  int raw() const { return status_; }
  bool gone() const { return WIFEXITED(status_) || WIFSIGNALED(status_); }
  // The signal of a stop (without the syscall-stop bit), or that ended the task.
  int signal() const { return WIFSIGNALED(status_) ? WTERMSIG(status_) : WSTOPSIG(status_) & 0x7f; }
  int ptrace_event() const { return status_ >> 16; }

  StopKind kind() const {
    if (WIFEXITED(status_)) return StopKind::kExited;
    if (WIFSIGNALED(status_)) return StopKind::kKilled;
    switch (ptrace_event()) {
      case 0:
        return WSTOPSIG(status_) == (SIGTRAP | 0x80) ? StopKind::kSyscall : StopKind::kSignal;
      case PTRACE_EVENT_SECCOMP:
        return StopKind::kSeccomp;
      case PTRACE_EVENT_EXEC:
        return StopKind::kExec;
      case PTRACE_EVENT_FORK:
      case PTRACE_EVENT_VFORK:
      case PTRACE_EVENT_CLONE:
        return StopKind::kNewTask;
      case PTRACE_EVENT_VFORK_DONE:
        return StopKind::kVforkDone;
      case PTRACE_EVENT_EXIT:
        return StopKind::kExiting;
      default:
        return WSTOPSIG(status_) == SIGTRAP ? StopKind::kEventStop : StopKind::kGroupStop;
    }
  }

 private:
  int status_ = 0;
};

}  // namespace retake

#endif  // RETAKE_TRACEE_WAIT_STATUS_H_
