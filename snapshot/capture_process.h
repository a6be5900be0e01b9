// What a checkpoint keeps of a process besides its memory and its descriptors: who it is, how it
// takes signals, its timers, its limits, its tasks.
//
// What can be seen from outside is; the rest the process is asked for, in its own name
// (snapshot/injection.h).
#ifndef RETAKE_SNAPSHOT_CAPTURE_PROCESS_H_
#define RETAKE_SNAPSHOT_CAPTURE_PROCESS_H_

#include "snapshot/capture_memory.h"
#include "snapshot/checkpoint_image.h"
#include "snapshot/frozen_tree.h"

namespace retake {

// Of a frozen process. What can't be kept is added to `losses`. Where its memory wants a copy, that
// is made on the way.
Result<ProcessState> CaptureProcess(const FrozenProcess& process, ProcessMemory& memory,
                                    Losses& losses);
// Of one that has ended and not been reaped.
Result<ProcessState> CaptureZombie(pid_t pid);

}  // namespace retake

#endif  // RETAKE_SNAPSHOT_CAPTURE_PROCESS_H_
