// Where a restored tree can have the pids that it had, if it can't have them here: as an ordinary
// user, who may not choose pids, or while others have them. Its processes then live in a pid
// namespace of their own, and an ordinary user's in a user namespace of their own too. A process of
// ours is the first there: it restores the tree, takes in its orphans, and ends with the last of
// them.
#ifndef RETAKE_SNAPSHOT_PID_NAMESPACE_H_
#define RETAKE_SNAPSHOT_PID_NAMESPACE_H_

#include <sys/types.h>

#include <functional>

#include "base/result.h"
#include "snapshot/restore.h"

namespace retake {

// Whether processes can be given pids of our choice (CAP_CHECKPOINT_RESTORE).
bool MayChoosePids();

// Gives this process a user namespace, in which its user and group are what they were, and all
// capabilities, which programs that it executes keep.
Status EnterUserNamespace();

// Calls `restore`, which returns the pid of a tree's root, in a new process that is the first of a
// new pid namespace.
Result<RestoredTree> RestoreInPidNamespace(const std::function<Result<pid_t>()>& restore);

}  // namespace retake

#endif  // RETAKE_SNAPSHOT_PID_NAMESPACE_H_
