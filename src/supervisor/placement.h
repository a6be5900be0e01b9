// Placement: on which CPU each share-group runs.
//
// A stop costs three to five times more if the tracer has to be woken on another CPU, so all begins
// on the tracer's own. But where several groups compute at once, as under `make -j`, that would be
// one CPU for all of them: then some go to others.
#ifndef RETAKE_SUPERVISOR_PLACEMENT_H_
#define RETAKE_SUPERVISOR_PLACEMENT_H_

#include <sched.h>

#include <memory>
#include <vector>

#include "supervisor/task.h"

namespace retake {

class Placement {
 public:
  // `home` is the tracer's CPU, -1 if nobody is pinned anywhere; `allowed` is what the program may
  // run on.
  Placement(int home, const cpu_set_t& allowed);

  bool has_choice() const { return cpus_.size() > 1; }

  // Where a new process begins: it has been made by a group on CPU `cpu`, which goes on as well.
  // `groups` are all others.
  int Choose(int cpu, const std::vector<ShareGroup*>& groups) const;

  struct Move {
    ShareGroup* group;
    int cpu;
  };
  // Who is to go elsewhere, as the groups are now: at most one at a time.
  std::vector<Move> Balance(const std::vector<ShareGroup*>& groups) const;

 private:
  size_t RunningOn(int cpu, const std::vector<ShareGroup*>& groups) const;

  int home_;
  std::vector<int> cpus_;  // home first
};

// Whether a task of the group runs the program's code.
bool Computes(const ShareGroup& group);

}  // namespace retake

#endif  // RETAKE_SUPERVISOR_PLACEMENT_H_
