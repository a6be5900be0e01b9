// Restore: processes of a checkpoint go on.
#ifndef RETAKE_SNAPSHOT_RESTORE_H_
#define RETAKE_SNAPSHOT_RESTORE_H_

#include <sys/types.h>

#include <map>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "snapshot/checkpoint_file.h"

namespace retake {

struct RestoreOptions {
  bool same_pids = true;
  std::string image;  // the checkpoint's absolute path, for a program that wants to know
  std::map<int, std::string> replaced_fds;  // opened anew instead of what they were
  std::string relative_to;                  // files are looked for under this directory
  // The master of a pseudoterminal: its slave becomes the terminal of a tree that had one from
  // outside. -1: there is none, and such a tree can't be restored.
  int terminal = -1;
  // Nobody waits for this process: it may end whenever the tree has been let go, and isn't expected
  // to be killed before.
  bool detached = false;
};

// The terminal that a tree had from outside; null: none.
const TerminalState* OutsideTerminal(const CheckpointImage& image);

struct RestoredTree {
  pid_t root = 0;   // the pid of its root, as seen from here
  pid_t first = 0;  // of a pid namespace that it is in, if it is in one of its own: a child of
                    // ours, which passes signals on to the root; 0: the root is our child
  Fd ending;        // how the root ended is read from here then
  std::vector<std::string> notes;  // what is not as it was, and could be elsewhere: sentences

  // What signals for the program are sent to.
  pid_t signalled() const { return first == 0 ? root : first; }
};

// Builds the tree and lets it go on. After a failure nothing of it is left.
Result<RestoredTree> RestoreTree(CheckpointReader& checkpoint, const RestoreOptions& options);

// Waits until the root ends; its wait status.
Result<int> AwaitEnd(RestoredTree& tree);

// Why this machine can't restore it; empty if nothing speaks against it.
std::string MismatchWith(const CheckpointImage& image, const ArchDescription& arch);

}  // namespace retake

#endif  // RETAKE_SNAPSHOT_RESTORE_H_
