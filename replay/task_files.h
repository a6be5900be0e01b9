// A task's descriptors as /proc shows them.
#ifndef RETAKE_REPLAY_TASK_FILES_H_
#define RETAKE_REPLAY_TASK_FILES_H_

#include <sys/types.h>

#include <cstdint>
#include <optional>

#include "base/fd.h"

namespace retake {

// Opens what a task's descriptor has open, anew and for reading.
Fd OpenTaskFd(pid_t pid, int fd);
// Whether a descriptor of the task's may be written to.
bool IsWritable(pid_t pid, int fd);
// The file position of a task's descriptor, or nullopt.
std::optional<uint64_t> Position(pid_t pid, int fd);

}  // namespace retake

#endif  // RETAKE_REPLAY_TASK_FILES_H_
