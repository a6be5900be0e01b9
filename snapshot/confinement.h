// What confines a process, or sets it apart, that a restored one wouldn't have: namespaces, another
// root, seccomp; things shared between processes, or not shared between tasks of one.
#ifndef RETAKE_SNAPSHOT_CONFINEMENT_H_
#define RETAKE_SNAPSHOT_CONFINEMENT_H_

#include <sys/types.h>

#include <span>

#include "snapshot/frozen_tree.h"
#include "snapshot/loss.h"
#include "snapshot/sharing_probe.h"
#include "tracee/proc_files.h"

namespace retake {

// How a task is confined by seccomp, as far as /proc tells: not by which filters. Who has as many
// as this command is taken to be under the same: those of a container that both are in.
struct SeccompState {
  uint64_t mode = 0;
  uint64_t filters = 0;
  bool operator==(const SeccompState&) const = default;
};
SeccompState SeccompOf(const ProcStatus& status);
const SeccompState& OwnSeccomp();

// Names what would be lost of one process. It is looked at for each task, since a task can change
// these for itself alone.
void FindConfinement(const FrozenProcess& process, Losses& losses);

// Names what living processes of the tree, each known by a task, share, and wouldn't any more.
// (Tables of descriptors aside, snapshot/descriptors.h.)
Status FindSharing(std::span<const pid_t> tids, const SharingProbe& probe, Losses& losses);

}  // namespace retake

#endif  // RETAKE_SNAPSHOT_CONFINEMENT_H_
