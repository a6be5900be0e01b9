// Keeps what a stretch of a process's memory holds.
#ifndef RETAKE_SNAPSHOT_WRITE_RANGE_H_
#define RETAKE_SNAPSHOT_WRITE_RANGE_H_

#include <vector>

#include "snapshot/checkpoint_file.h"
#include "tracee/memory.h"

namespace retake {

// Pages that can't be read are guards, or lie behind a file's end: there is nothing.
Status WriteRange(const TaskMemory& source, uint64_t start, uint64_t end, bool skip_zeros,
                  CheckpointWriter& writer, std::vector<PageRange>& pages);

}  // namespace retake

#endif  // RETAKE_SNAPSHOT_WRITE_RANGE_H_
