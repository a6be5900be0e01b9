// What a checkpoint keeps of a task: registers, signals, where the kernel writes at its end, how it
// is scheduled.
#ifndef RETAKE_SNAPSHOT_CAPTURE_TASK_H_
#define RETAKE_SNAPSHOT_CAPTURE_TASK_H_

#include <signal.h>

#include "snapshot/checkpoint_image.h"
#include "snapshot/frozen_tree.h"
#include "snapshot/injection.h"

namespace retake {

// What can be told from outside.
Result<TaskState> CaptureTask(pid_t pid, const FrozenTask& task);
// What only the task itself can tell.
Status AskTask(Injection& injection, const TaskMemory& memory, TaskState& out);

PendingSignal KeptSignal(const siginfo_t& info);

}  // namespace retake

#endif  // RETAKE_SNAPSHOT_CAPTURE_TASK_H_
