// What a checkpoint keeps of a task: registers, signals, where the kernel writes at its end, how it
// is scheduled.
#ifndef RETAKE_SNAPSHOT_CAPTURE_TASK_H_
#define RETAKE_SNAPSHOT_CAPTURE_TASK_H_

#include <signal.h>

#include "snapshot/checkpoint_image.h"
#include "snapshot/frozen_tree.h"
#include "snapshot/loss.h"
#include "tracee/memory.h"
#include "tracee/proc_files.h"

namespace retake {

// What can be told from outside. `status` is /proc/PID/task/TID/status. What can't be kept is added
// to `losses`.
Result<TaskState> CaptureTask(pid_t pid, const FrozenTask& task, const ProcStatus& status,
                              const TaskMemory& memory, Losses& losses);

Credentials ReadCredentials(const ProcStatus& status);
PendingSignal KeptSignal(const siginfo_t& info);

}  // namespace retake

#endif  // RETAKE_SNAPSHOT_CAPTURE_TASK_H_
