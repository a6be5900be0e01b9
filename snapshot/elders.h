// Elders: who lives outside of a tree, and is known in it by pid: the parent of its first process,
// and the leaders of that one's session and group. A restored tree that has its pids again has
// processes of ours in their place, with the pids that they had, which do nothing: getppid(2),
// getsid(2) and getpgrp(2) say what they said. They end with the last process of the tree.
//
// The parent's stand-in is who restores the tree, since that is whose child the first process is;
// in a session that isn't the tree's own, it is done by somebody who is in it.
#ifndef RETAKE_SNAPSHOT_ELDERS_H_
#define RETAKE_SNAPSHOT_ELDERS_H_

#include <sys/types.h>

#include <functional>
#include <set>
#include <vector>

#include "base/result.h"
#include "snapshot/checkpoint_image.h"

namespace retake {

// Pids, of which some may be the same; 0: nobody has to be stood in for.
struct Elders {
  pid_t parent = 0, session = 0, group = 0;

  bool any() const { return parent != 0 || session != 0; }
  // Whether the parent's stand-in, or in its absence whoever restores the tree, leads the session.
  bool restorer_leads() const { return session != 0 && (parent == 0 || parent == session); }
  std::vector<pid_t> pids() const;
};

Elders EldersOf(const CheckpointImage& image);

// Whether nobody has their pids, as a process, a group or a session.
bool AreFree(const Elders& elders);

struct ElderWork {
  // In the stand-in for the leader of the session: makes it lead one.
  std::function<Status()> lead;
  // In the one that restores, or in which that failed, `begun`; doesn't return.
  std::function<void(const Status& begun)> restore;
};

// Makes them children of this process, which must be one that takes in orphans, or children of
// these.
Status StartElders(const Elders& elders, const ElderWork& work);

// Neither the output of who restores nor its files are kept open by this process, but for some.
void LetGoOfFiles(std::set<int> but_for);
// Lets no signal but SIGKILL do anything to this process.
void BeDeaf();
// Does nothing until its parent ends.
[[noreturn]] void StandIn();

// Whether all processes below this one are elders: nothing of the tree is left.
bool OnlyEldersAreLeft(const Elders& elders);

// In a child of the process that waits: that one gets to know that something has changed.
void WakeParent();

}  // namespace retake

#endif  // RETAKE_SNAPSHOT_ELDERS_H_
