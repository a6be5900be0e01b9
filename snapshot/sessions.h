// How the processes of a tree come to be in their sessions and process groups again. A process is
// born into the session and the group of the one that makes it. It leaves a session only to lead
// one of its own; groups within a session it may change. So who is in another session than its
// parent has to be made by somebody in that one, as a child of that parent (CLONE_PARENT).
//
// Sessions and groups live on when their leaders have ended, as those of a daemon and of a pipeline
// whose first command is done. These leaders are stood in for by processes of ours, which end when
// all have joined.
#ifndef RETAKE_SNAPSHOT_SESSIONS_H_
#define RETAKE_SNAPSHOT_SESSIONS_H_

#include <sys/types.h>

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "snapshot/checkpoint_image.h"
#include "snapshot/loss.h"

namespace retake {

enum class Maker : uint8_t {
  kParent,        // ... which leads its session already, if it shall
  kParentBefore,  // ... which doesn't yet
  kSibling,       // the leader of the session, a child of the same parent
  kStandIn,       // for the leader, which has ended
};

struct Birth {
  Maker maker = Maker::kParent;
  size_t sibling = 0;  // index of that process
  bool lost = false;   // it can't be made in its session; its parent makes it
};

// Of each process. The first's maker is that of the tree.
std::vector<Birth> PlanBirths(std::span<const ProcessState> processes);

// Names who can't be in its session again.
void FindLostSessions(std::span<const ProcessState> processes, Losses& losses);

// Whether the first is in a session whose leader had ended already: it isn't in the session, and
// the group, of whoever restores it then.
bool IsInLeaderlessSession(const CheckpointImage& image);

// Whether the group is that of the command that restores: the tree was started by somebody, and is
// again.
bool IsGroupOfStarter(const CheckpointImage& image, pid_t group);

// Which of "parent", "group" and "session" of a process are outside of the tree (see
// snapshot/elders.h).
std::vector<std::string_view> OutsideOfTree(const CheckpointImage& image,
                                            const ProcessState& process);

// The pids of leaders that are stood in for.
std::vector<pid_t> AbsentLeaders(const CheckpointImage& image);

}  // namespace retake

#endif  // RETAKE_SNAPSHOT_SESSIONS_H_
