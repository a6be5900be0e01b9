// Words of a process's memory that change while it computes: a search for a mark that looks at them
// tells passings apart that no register does, and no stack. A loop may count in a variable, or in
// an interpreter's objects, that the code which is being executed never comes near.
//
// They are found in two steps: which pages change, then which words of some of these.
#ifndef RETAKE_REPLAY_CHANGING_WORDS_H_
#define RETAKE_REPLAY_CHANGING_WORDS_H_

#include <sys/types.h>

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "replay/state_match.h"
#include "tracee/memory.h"

namespace retake {

class ChangingWords {
 public:
  // Hashes the process's writable pages, 64 MiB of them at most: 0.3 ms for each MiB.
  Status Begin(pid_t pid, const TaskMemory& memory);
  // Keeps some of those that have changed since.
  Status KeepChanged(pid_t pid, const TaskMemory& memory);
  // Words of these that have changed since, some of them where there are many. Ascending.
  std::vector<uint64_t> Find(const TaskMemory& memory) const;

 private:
  std::unordered_map<uint64_t, uint64_t> hashes_;  // by page address
  struct Page {
    uint64_t address;
    std::vector<uint64_t> words;
  };
  std::vector<Page> changed_;
};

// These words as they are now; those that can't be read are left out.
std::vector<WordRun> ReadWords(const TaskMemory& memory, const std::vector<uint64_t>& addresses);

}  // namespace retake

#endif  // RETAKE_REPLAY_CHANGING_WORDS_H_
