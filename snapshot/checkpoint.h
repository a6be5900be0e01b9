// Checkpoint: takes processes as they are and writes them to a file, from which they go on later.
#ifndef RETAKE_SNAPSHOT_CHECKPOINT_H_
#define RETAKE_SNAPSHOT_CHECKPOINT_H_

#include <sys/types.h>

#include <cstdint>
#include <set>
#include <string>

#include "base/result.h"
#include "snapshot/checkpoint_image.h"
#include "snapshot/loss.h"

namespace retake {

enum class AfterCheckpoint : uint8_t { kRunning, kStopped, kKilled };

struct CheckpointOptions {
  pid_t pid = 0;
  std::string path;         // of the file; empty: only look what would be lost
  bool descendants = true;  // the whole tree, not one process
  AfterCheckpoint after = AfterCheckpoint::kRunning;
  bool accept_losses = false;  // write it even if something is lost
  std::set<int> skipped_fds;
  bool close_tcp = false;  // connections to elsewhere may be reset in what is restored
  FilePolicy files = FilePolicy::kFail;
  bool keep_files = false;  // in the checkpoint: mapped ones, and with kRewind open ones
  int level = 1;            // of zstd, or kStoreOnly
  bool sync = true;
  // Where the process waits that has asked for it (snapshot/asker.h); 0: it hasn't.
  uint64_t asked_at = 0;
};

struct CheckpointReport {
  Losses losses;  // if any and not accepted, nothing was written
  bool written = false;
  bool in_vdso = false;  // a task stood in the vDSO; nothing was written
  uint64_t bytes = 0;    // of the file
  int64_t pause = 0;     // how long the processes stood still, nanoseconds
  size_t processes = 0;
  size_t tasks = 0;
};

// The processes are let go whatever happens; after a failure nothing of the file is left.
Result<CheckpointReport> TakeCheckpoint(const CheckpointOptions& options);

}  // namespace retake

#endif  // RETAKE_SNAPSHOT_CHECKPOINT_H_
