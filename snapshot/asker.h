// Asker: a program that has asked for its own checkpoint (library/retake.h), and waits for the
// answer at a place in its memory that it has said.
//
// It waits in the process that the checkpoint is taken of, and in each that is restored from it;
// each is told which it is before it goes on.
#ifndef RETAKE_SNAPSHOT_ASKER_H_
#define RETAKE_SNAPSHOT_ASKER_H_

#include <cstdint>
#include <string>

#include "base/result.h"
#include "tracee/memory.h"

namespace retake {

// Of the state, the first word at that place; the library's, which waits while it is 0. A failure
// is a negative error number.
enum AskerState : int32_t { kAskerWritten = 1, kAskerRestored = 2 };

// Tells one that isn't stopped how its checkpoint went.
Status AnswerAsker(const TaskMemory& memory, uint64_t address, int32_t state);
// Tells a restored one which file it is from: behind the state, with a zero behind it.
Status TellRestored(const TaskMemory& memory, uint64_t address, const std::string& image);

}  // namespace retake

#endif  // RETAKE_SNAPSHOT_ASKER_H_
