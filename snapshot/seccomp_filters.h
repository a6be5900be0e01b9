// A task's seccomp filters, which a restored one is under again.
#ifndef RETAKE_SNAPSHOT_SECCOMP_FILTERS_H_
#define RETAKE_SNAPSHOT_SECCOMP_FILTERS_H_

#include <sys/types.h>

#include <cstdint>
#include <vector>

#include "base/result.h"
#include "tracee/proc_files.h"

namespace retake {

struct SeccompFilter {
  uint64_t flags = 0;                 // SECCOMP_FILTER_FLAG_*
  std::vector<uint8_t> instructions;  // struct sock_filter
};

template <typename V>
void Visit(V& visit, SeccompFilter& filter) {
  visit("flags", filter.flags);
  visit("instructions", filter.instructions);
}

// SECCOMP_MODE_*, and the filters, the oldest first.
struct SeccompConfinement {
  uint32_t mode = 0;
  std::vector<SeccompFilter> filters;
};

template <typename V>
void Visit(V& visit, SeccompConfinement& confinement) {
  visit("mode", confinement.mode);
  visit("filters", confinement.filters);
}

// Bytes of instructions that can be given back to a task by one call.
inline constexpr size_t kMostFilterBytes = 4'000 * 8;

// How a stopped task is confined. The error is why it can't be put under the same again: the
// filters can't be read (without CAP_SYS_ADMIN, or by a caller that is confined itself), are too
// long, or ask another process.
Result<SeccompConfinement> ReadSeccomp(pid_t tid, const ProcStatus& status);

}  // namespace retake

#endif  // RETAKE_SNAPSHOT_SECCOMP_FILTERS_H_
