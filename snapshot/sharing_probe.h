// What frozen processes share, where kcmp(2) isn't allowed to tell (in many containers).
//
// Open file descriptions: the signal for I/O (F_SETSIG) is set through one descriptor and looked at
// through the other. It means nothing to who doesn't use it, and is set back. Memory: what is
// mapped in one for the sake of its calls is there in the other.
#ifndef RETAKE_SNAPSHOT_SHARING_PROBE_H_
#define RETAKE_SNAPSHOT_SHARING_PROBE_H_

#include <sys/types.h>

#include <map>

#include "snapshot/frozen_tree.h"
#include "snapshot/injection.h"
#include "tracee/maps.h"

namespace retake {

class SharingProbe {
 public:
  // A frozen process, known by a task of it.
  void AddProcess(pid_t pid, const FrozenTask& task, const TaskMemory& memory,
                  const std::vector<Mapping>& mappings) {
    processes_.insert_or_assign(task.tid, Process{pid, &task, &memory, &mappings});
  }
  Result<bool> AreOne(pid_t tid, int number, pid_t other_tid, int other_number) const;
  Result<bool> ShareMemory(pid_t tid, pid_t other_tid) const;

 private:
  struct Process {
    pid_t pid;
    const FrozenTask* task;
    const TaskMemory* memory;
    const std::vector<Mapping>* mappings;
  };
  Result<std::unique_ptr<Injection>> Begin(pid_t tid) const;
  // Sets the signal of a descriptor, unless `signal` is negative; what it was.
  Result<int> Signal(pid_t tid, int number, int signal) const;

  std::map<pid_t, Process> processes_;
};

}  // namespace retake

#endif  // RETAKE_SNAPSHOT_SHARING_PROBE_H_
