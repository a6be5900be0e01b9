// Which pages of a process exist, as /proc/PID/pagemap tells without privilege.
#ifndef RETAKE_TRACEE_PAGE_STATES_H_
#define RETAKE_TRACEE_PAGE_STATES_H_

#include <sys/types.h>

#include <cstdint>
#include <vector>

#include "base/result.h"

namespace retake {

// The pages of [start, end) that are the process's own: present or swapped, and not a file's. One
// entry a page.
enum class PageState : uint8_t { kAbsent, kFile, kOwn };
Result<std::vector<PageState>> ReadPageStates(pid_t pid, uint64_t start, uint64_t end);

}  // namespace retake

#endif  // RETAKE_TRACEE_PAGE_STATES_H_
