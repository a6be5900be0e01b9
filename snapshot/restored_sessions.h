// RestoredSessions: makes the processes of a tree below its first, each in its session and group
// (snapshot/sessions.h).
#ifndef RETAKE_SNAPSHOT_RESTORED_SESSIONS_H_
#define RETAKE_SNAPSHOT_RESTORED_SESSIONS_H_

#include <sys/types.h>

#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "base/result.h"
#include "snapshot/checkpoint_image.h"
#include "snapshot/elders.h"
#include "snapshot/restored_process.h"
#include "snapshot/sessions.h"

namespace retake {

class RestoredSessions {
 public:
  using Processes = std::vector<std::unique_ptr<RestoredProcess>>;

  // `elders` are there already. `take_terminal` is called for each process that has become the
  // leader of its session.
  RestoredSessions(const CheckpointImage& image, bool same_pids, const Elders& elders,
                   Processes& processes, std::function<Status(size_t)> take_terminal)
      : image_(image),
        same_pids_(same_pids),
        elders_(elders),
        processes_(processes),
        take_terminal_(std::move(take_terminal)),
        births_(PlanBirths(image.processes)) {}

  // Fills `processes`, in the image's order.
  Status StartAll(const RestoreMaterial& material);
  // The number that a group has now; 0: it isn't of the tree.
  pid_t PresentGroup(pid_t group) const;
  // A leader that the first process was made by, which has ended: if the tree is our parent's, that
  // one reaps it. 0: there was none.
  pid_t made_by() const { return made_by_; }

 private:
  struct StandIn {
    size_t parent;  // index; `kOurs`: it is our child, or our parent's
    std::unique_ptr<RestoredProcess> process;
  };
  static constexpr size_t kOurs = SIZE_MAX;

  const ProcessState& state(size_t index) const { return image_.processes[index]; }
  bool Leads(size_t index) const { return state(index).session == state(index).pid; }
  pid_t PidFor(pid_t pid) const { return same_pids_ ? pid : 0; }

  Status StartRoot(const RestoreMaterial& material);
  Status StartChildrenOf(size_t index);
  Result<std::unique_ptr<RestoredProcess>> Make(size_t index);
  Status LeadSession(RestoredProcess& process) const;
  Status JoinGroup(size_t index);
  Status Join(RestoredProcess& process, pid_t group) const;
  Status EndStandIns();

  const CheckpointImage& image_;
  bool same_pids_;
  Elders elders_;
  Processes& processes_;
  std::function<Status(size_t)> take_terminal_;
  std::vector<Birth> births_;
  std::map<pid_t, StandIn> stand_ins_;  // by the pid that the leader had
  std::map<pid_t, pid_t> groups_;       // those led by stand-ins: what they were, and are
  pid_t made_by_ = 0;
};

}  // namespace retake

#endif  // RETAKE_SNAPSHOT_RESTORED_SESSIONS_H_
