// The process of ours that restores a tree: not the one that was asked to, whose end at any moment
// must leave the whole tree or nothing. Until the tree is let go it ends with its parent, and the
// tree with it; from then on (OutliveParent) it lets all of it go, whatever becomes of its parent.
//
// Where a tree can't live here, it lives under that process: the first one, which takes in its
// orphans, and ends with the last of them. It is the first of a new pid namespace where the tree
// can't have its pids here: as an ordinary user, who may not choose pids, or while others have
// them. An ordinary user's is in a user namespace of its own too. Those outside of the tree whose
// pids it knows are stood in for (snapshot/elders.h) by children of this process, one of which
// restores then. Where that can't be, this one leads the session if the tree had a terminal, but
// not the leader of its session.
#ifndef RETAKE_SNAPSHOT_FIRST_PROCESS_H_
#define RETAKE_SNAPSHOT_FIRST_PROCESS_H_

#include <sys/types.h>

#include <functional>

#include "base/result.h"
#include "snapshot/elders.h"
#include "snapshot/restore.h"

namespace retake {

// Whether processes can be given pids of our choice (CAP_CHECKPOINT_RESTORE).
bool MayChoosePids();

// Gives this process a user namespace, in which its user and group are what they were, and all
// capabilities, which programs that it executes keep.
Status EnterUserNamespace();

struct FirstOptions {
  bool new_pids = false;  // in a pid namespace of its own
  int terminal = -1;      // the master of its controlling terminal; -1: it has none
  Elders elders;          // who are stood in for; the terminal is that of their session
};

// What a process that trees are restored in is called.
inline constexpr char kFirstProcessName[] = "retake-restored";

// Signals that a program may be sent while it is being restored wait for PassSignalsOn.
void HoldSignals();
// From here on what is sent to this process is sent to `program`, but for what a terminal has sent
// to both.
void PassSignalsOn(pid_t program);

// The one step from nothing to the whole tree.
void OutliveParent();

struct RestoredRoot {
  pid_t pid = 0;
  // What it was made by, a child of the same parent, which has ended; 0: there was none.
  pid_t made_by = 0;
};
// `for_parent`: the root is to be the child of this process' parent. `outlive` is called when all
// is there, right before it is let go: OutliveParent, for one.
using RestoreFunction =
    std::function<Result<RestoredRoot>(bool for_parent, const std::function<void()>& outlive)>;

// Calls `restore` in a new process that is gone afterwards; the root is this one's child.
Result<RestoredTree> RestoreAside(const RestoreFunction& restore);

// ... that stays.
Result<RestoredTree> RestoreUnderFirst(const FirstOptions& options, const RestoreFunction& restore);

}  // namespace retake

#endif  // RETAKE_SNAPSHOT_FIRST_PROCESS_H_
