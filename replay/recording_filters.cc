// The recorder's view of seccomp filters that a program installs itself (supervisor/
// program_filter.h): the calls that install and ask for them, and what their verdicts become in the
// trace: results, signals and ends like any others.
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/prctl.h>

#include "replay/recording.h"
#include "tracee/proc_files.h"

namespace retake {
namespace {

// Flags of SECCOMP_SET_MODE_FILTER that change nothing here: logging, speculation.
constexpr uint64_t kHarmlessFlags = SECCOMP_FILTER_FLAG_LOG | SECCOMP_FILTER_FLAG_SPEC_ALLOW;
constexpr uint64_t kThreadFlags = SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_TSYNC_ESRCH;

// struct sock_fprog: the kernel's layout, with its padding.
struct FilterDescription {
  uint16_t length;
  uint16_t padding[3];
  uint64_t address;
};

// Whether a task may install a filter without no_new_privs (capabilities(7)).
bool MayAdministrate(pid_t pid) {
  auto status = ProcStatus::Read(pid);
  return status.ok() && (status->Number("CapEff", 16) >> CAP_SYS_ADMIN & 1) != 0;
}

}  // namespace

Result<std::optional<CallVerdict>> Recording::JudgeByOwnFilters(Task& task) {
  if (task.confinement == nullptr) return std::optional<CallVerdict>();
  FilterVerdict judged = JudgeByFilters(task, task.entry);
  std::optional<CallVerdict> verdict;
  switch (judged.kind) {
    case FilterVerdict::Kind::kAllow:
      break;
    case FilterVerdict::Kind::kError:
      verdict = TRY(Answer(task, -judged.data));
      break;
    case FilterVerdict::Kind::kTrap: {
      // A signal that can't be handled ends the process, as every forced one.
      constexpr int kTrapSignal = SIGSYS;
      int64_t before = machine::RolledBackResult(task.entry);
      bool handled = task.signals->FateOf(kTrapSignal) == SignalFate::kHandled &&
                     (task.signal_mask >> (kTrapSignal - 1) & 1) == 0;
      verdict = TRY(Answer(task, before));
      verdict->kind = handled ? CallVerdict::Kind::kTrap : CallVerdict::Kind::kEnds;
      verdict->data = handled ? judged.data : kTrapSignal;
      verdict->whole = true;
      break;
    }
    case FilterVerdict::Kind::kEndsThread:
    case FilterVerdict::Kind::kEndsProcess:
      LogEntry(task);
      Write(task);
      verdict = CallVerdict{CallVerdict::Kind::kEnds, machine::RolledBackResult(task.entry)};
      verdict->data = judged.data;
      verdict->whole = judged.kind == FilterVerdict::Kind::kEndsProcess;
      break;
  }
  return verdict;
}

int Recording::SeccompModeOf(const Task& task) const {
  // A task in strict mode never comes so far as to ask.
  bool has_filter = task.confinement != nullptr || options_.filtered;
  return has_filter ? SECCOMP_MODE_FILTER : SECCOMP_MODE_DISABLED;
}

int64_t Recording::AnswerStrictMode(Task& task) {
  if (SeccompModeOf(task) != SECCOMP_MODE_DISABLED) return -EINVAL;
  auto strict = std::make_shared<Confinement>();
  strict->strict = true;
  task.confinement = std::move(strict);
  return 0;
}

int64_t Recording::AnswerFilterMode(Task& task, uint64_t flags, uint64_t address) {
  if ((flags & ~(kHarmlessFlags | kThreadFlags)) != 0) {
    // A listener would be told of calls beside retake.
    if ((flags & SECCOMP_FILTER_FLAG_NEW_LISTENER) != 0) Count("seccomp with a listener");
    return -EINVAL;
  }
  bool sync = (flags & SECCOMP_FILTER_FLAG_TSYNC) != 0;
  const TaskMemory& memory = task.process->memory;
  FilterDescription description{};
  if (!memory.ReadValue(address, &description)) return -EFAULT;
  if (description.length == 0 || description.length > BPF_MAXINSNS) return -EINVAL;
  if (!task.no_new_privs && !MayAdministrate(task.pid)) return -EACCES;
  std::vector<sock_filter> code(description.length);
  if (!memory.Read(description.address, code.data(), code.size() * sizeof(sock_filter)))
    return -EFAULT;
  std::optional<ProgramFilter> filter = ProgramFilter::Check(std::move(code));
  if (!filter) return -EINVAL;
  int64_t refused = supervisor_->Confine(task, std::move(*filter), sync);
  bool by_number = (flags & SECCOMP_FILTER_FLAG_TSYNC_ESRCH) == 0;
  return refused > 0 && !by_number ? -ESRCH : refused;
}

int64_t Recording::AnswerSeccomp(Task& task) {
  uint64_t flags = machine::Argument(task.entry, 1);
  uint64_t address = machine::Argument(task.entry, 2);
  switch (static_cast<uint32_t>(machine::Argument(task.entry, 0))) {
    case SECCOMP_SET_MODE_STRICT:
      return flags != 0 || address != 0 ? -EINVAL : AnswerStrictMode(task);
    case SECCOMP_SET_MODE_FILTER:
      return AnswerFilterMode(task, flags, address);
    case SECCOMP_GET_ACTION_AVAIL: {
      uint32_t action = 0;
      if (flags != 0) return -EINVAL;
      if (!task.process->memory.ReadValue(address, &action)) return -EFAULT;
      switch (action) {
        case SECCOMP_RET_KILL_PROCESS:
        case SECCOMP_RET_KILL_THREAD:
        case SECCOMP_RET_TRAP:
        case SECCOMP_RET_ERRNO:
        case SECCOMP_RET_LOG:
        case SECCOMP_RET_ALLOW:
          return 0;
        default:
          return -EOPNOTSUPP;  // listeners and tracers are retake's
      }
    }
    default:
      return -EINVAL;
  }
}

}  // namespace retake
