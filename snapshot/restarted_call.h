// Which call a task sleeps in that the kernel goes on with as restart_syscall.
//
// A call with a time limit that is interrupted by no signal (a stop, a tracer) goes on under that
// number, which means something to the one kernel task only: the kernel remembers the call and what
// is left of its limit. What the program had asked for is told by its code, which has just loaded
// the number, and by the arguments, which are as they were.
#ifndef RETAKE_SNAPSHOT_RESTARTED_CALL_H_
#define RETAKE_SNAPSHOT_RESTARTED_CALL_H_

#include <cstdint>
#include <optional>

#include "arch/arch.h"
#include "base/readable_memory.h"

namespace retake {

// The number of the call; nullopt if several could be meant, or none.
std::optional<int64_t> RestartedCall(const ReadableMemory& memory, const Registers& stopped,
                                     const StoppedCall& call);

}  // namespace retake

#endif  // RETAKE_SNAPSHOT_RESTARTED_CALL_H_
