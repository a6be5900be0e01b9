// PageCopies: what a call wrote, found by comparing all of a process's own writable pages before
// and after it. For calls whose outputs no table tells. Right, but slow: it copies every such page.
#ifndef RETAKE_REPLAY_PAGE_COPIES_H_
#define RETAKE_REPLAY_PAGE_COPIES_H_

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <vector>

#include "base/result.h"
#include "replay/event.h"
#include "tracee/memory.h"

namespace retake {

class PageCopies {
 public:
  static Result<PageCopies> Take(pid_t pid, const TaskMemory& memory);
  // Adds to the event what differs now.
  Status AddDifferences(pid_t pid, const TaskMemory& memory, Event& event) const;

 private:
  std::map<uint64_t, std::vector<uint8_t>> pages_;
};

// A hash of all writable memory of the process that holds anything, for `replay --check`. Equal for
// equal memory, in record and in replay: pages of zeros don't count, whether they exist or not.
Result<uint64_t> HashWritableMemory(pid_t pid, const TaskMemory& memory);

}  // namespace retake

#endif  // RETAKE_REPLAY_PAGE_COPIES_H_
