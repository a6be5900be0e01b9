// Attributes of a task that only it can ask for, and set: how it is treated on a memory error,
// whether its CPU may speculate, and what its architecture has besides (arch/arch.h).
#ifndef RETAKE_SNAPSHOT_TASK_ATTRIBUTES_H_
#define RETAKE_SNAPSHOT_TASK_ATTRIBUTES_H_

#include <span>
#include <vector>

#include "arch/arch.h"

namespace retake {

// All there are on this machine, always in the same order.
const std::vector<TaskAttribute>& AllTaskAttributes();

// What an attribute can be when it can't be asked for: a kernel or a CPU hasn't got it.
inline constexpr int64_t kNoAttribute = -1;

}  // namespace retake

#endif  // RETAKE_SNAPSHOT_TASK_ATTRIBUTES_H_
