// Keeps what stretches of a process's memory hold, read while they are written.
#ifndef RETAKE_SNAPSHOT_WRITE_RUNS_H_
#define RETAKE_SNAPSHOT_WRITE_RUNS_H_

#include <span>
#include <vector>

#include "snapshot/checkpoint_file.h"
#include "tracee/memory.h"
#include "tracee/own_pages.h"

namespace retake {

struct RunToWrite {
  PageRun run;
  bool skip_zeros;  // zero pages need not be said
};

// Reads ahead on a thread of its own. Pages that can't be read are left out and added to
// `unreadable`.
Status WriteRuns(const TaskMemory& source, std::span<const RunToWrite> runs,
                 CheckpointWriter& writer, std::vector<PageRange>& pages,
                 std::vector<PageRun>& unreadable);

}  // namespace retake

#endif  // RETAKE_SNAPSHOT_WRITE_RUNS_H_
