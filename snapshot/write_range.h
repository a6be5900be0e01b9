// Keeps what a stretch of a process's memory holds, read while it is written.
#ifndef RETAKE_SNAPSHOT_WRITE_RANGE_H_
#define RETAKE_SNAPSHOT_WRITE_RANGE_H_

#include <vector>

#include "snapshot/checkpoint_file.h"
#include "tracee/memory.h"
#include "tracee/own_pages.h"

namespace retake {

// Pages that can't be read are left out and added to `unreadable`.
Status WriteRange(const TaskMemory& source, const PageRun& run, bool skip_zeros,
                  CheckpointWriter& writer, std::vector<PageRange>& pages,
                  std::vector<PageRun>& unreadable);

}  // namespace retake

#endif  // RETAKE_SNAPSHOT_WRITE_RANGE_H_
