// Restore: processes of a checkpoint go on.
#ifndef RETAKE_SNAPSHOT_RESTORE_H_
#define RETAKE_SNAPSHOT_RESTORE_H_

#include <sys/types.h>

#include <map>
#include <string>

#include "base/result.h"
#include "snapshot/checkpoint_file.h"

namespace retake {

struct RestoreOptions {
  bool same_pids = true;
  std::map<int, std::string> replaced_fds;  // opened anew instead of what they were
  std::string relative_to;                  // files are looked for under this directory
};

// Builds the tree and lets it go on. Returns the pid of its root, which is a child of ours. After a
// failure nothing of it is left.
Result<pid_t> RestoreTree(CheckpointReader& checkpoint, const RestoreOptions& options);

// Why this machine can't restore it; empty if nothing speaks against it.
std::string MismatchWith(const CheckpointImage& image, const ArchDescription& arch);

}  // namespace retake

#endif  // RETAKE_SNAPSHOT_RESTORE_H_
