// Advisory locks on files, as /proc/PID/fdinfo tells of them.
//
// Three kinds with three owners: flock(2) locks the whole file for a description; open file
// description locks lock ranges for it; record locks (fcntl F_SETLK, lockf) lock ranges for a
// process, whichever description of the file it used. So the first two are kept with the
// description, and the last with the descriptor, for its process to take again.
#ifndef RETAKE_SNAPSHOT_FILE_LOCKS_H_
#define RETAKE_SNAPSHOT_FILE_LOCKS_H_

#include <fcntl.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace retake {

// A lock on a range of bytes.
struct RangeLock {
  bool writes = false;  // F_WRLCK, else F_RDLCK
  uint64_t start = 0;
  uint64_t length = 0;  // 0: to the end, wherever that is
};

template <typename V>
void Visit(V& visit, RangeLock& lock) {
  visit("writes", lock.writes);
  visit("start", lock.start);
  visit("length", lock.length);
}

struct FileLocks {
  uint32_t flock = 0;                   // LOCK_SH or LOCK_EX; 0: none
  std::vector<RangeLock> description;   // F_OFD_SETLK
  std::vector<RangeLock> process;       // F_SETLK, by the process whose fdinfo it is
  uint32_t lease = 0;                   // F_SETLEASE: 1 for reading, 2 for writing
  std::vector<std::string> unkeepable;  // what is being broken, delegations; as the kernel says
};

// The locks that a descriptor's fdinfo lists.
Result<FileLocks> ParseFileLocks(std::string_view fdinfo);

// As fcntl(2) takes it.
struct flock ToFlock(const RangeLock& lock);

}  // namespace retake

#endif  // RETAKE_SNAPSHOT_FILE_LOCKS_H_
