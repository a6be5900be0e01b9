// The namespaces that a restore has made for a tree which couldn't have its pids otherwise
// (snapshot/first_process.h): of pids, of mounts for another /proc, and an ordinary user's of
// users. They are retake's own, not the program's, so a checkpoint of such a tree is taken inside
// of them.
#ifndef RETAKE_SNAPSHOT_RESTORED_NAMESPACES_H_
#define RETAKE_SNAPSHOT_RESTORED_NAMESPACES_H_

#include <sys/types.h>

#include <functional>
#include <optional>

#include "base/result.h"

namespace retake {

struct RestoredNamespaces {
  pid_t first = 0;   // the process that the tree was restored in
  pid_t inside = 0;  // the pid that the process asked about has there
};

// Of a process that is in such as this program has made, and this process isn't in.
std::optional<RestoredNamespaces> RestoredNamespacesOf(pid_t pid);

// Enters them, and does `work` in a child, which has this process's files and working directory.
// Returns what `work` does, an exit status.
Result<int> RunInside(const RestoredNamespaces& namespaces, const std::function<int()>& work);

}  // namespace retake

#endif  // RETAKE_SNAPSHOT_RESTORED_NAMESPACES_H_
