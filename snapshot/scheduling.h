// How a task is scheduled: policy, nice value, CPUs, I/O priority, timer slack. Read and set from
// outside.
#ifndef RETAKE_SNAPSHOT_SCHEDULING_H_
#define RETAKE_SNAPSHOT_SCHEDULING_H_

#include <sys/types.h>

#include "base/result.h"
#include "snapshot/checkpoint_image.h"

namespace retake {

Result<Scheduling> ReadScheduling(pid_t tid);
// Sets what differs. CPUs that this machine hasn't got are left out; if none is left, the task may
// use all.
Status ApplyScheduling(pid_t tid, const Scheduling& wanted);

}  // namespace retake

#endif  // RETAKE_SNAPSHOT_SCHEDULING_H_
