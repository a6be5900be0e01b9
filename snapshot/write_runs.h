// Keeps what stretches of a process's memory hold.
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
  bool skip_zeros;                 // zero pages need not be said
  const uint8_t* bytes = nullptr;  // what it holds, if that was read already
};

// Keeps them in their order, on all CPUs. What wasn't read yet is read from `source` meanwhile;
// pages that can't be are left out and added to `unreadable`.
Status WriteRuns(std::span<const RunToWrite> runs, const TaskMemory* source,
                 CheckpointWriter& writer, std::vector<PageRange>& pages,
                 std::vector<PageRun>& unreadable);

}  // namespace retake

#endif  // RETAKE_SNAPSHOT_WRITE_RUNS_H_
