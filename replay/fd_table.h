// What a task's descriptors are, as far as the recorder cares: whether what is written there is to
// be shown again, and which file it is. Looked up in /proc/PID/fd when first asked, and remembered
// until a call closes the number.
#ifndef RETAKE_REPLAY_FD_TABLE_H_
#define RETAKE_REPLAY_FD_TABLE_H_

#include <sys/stat.h>
#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <unordered_map>

#include "replay/event.h"
#include "syscalls/table.h"

namespace retake {

// A file, whatever its name.
struct FileId {
  uint64_t device = 0;
  uint64_t inode = 0;
  bool operator==(const FileId&) const = default;
};

struct FileIdHash {
  size_t operator()(const FileId& id) const { return id.device * 0x9e3779b97f4a7c15 + id.inode; }
};

// What retake's own stdout, stderr and terminal were at the start: what goes there is shown again
// by a replay, however the program opened it. /dev/null is none: nothing was shown.
class EchoTargets {
 public:
  // Looks at this process's descriptors 0, 1 and 2.
  static EchoTargets OfThisProcess();
  EchoTarget Find(const struct stat& status, int fd) const;

 private:
  struct Target {
    bool present = false;
    bool terminal = false;
    FileId id;
    uint64_t rdev = 0;
  };
  static Target Look(int fd);
  static bool Matches(const Target& target, const struct stat& status);

  Target out_;
  Target err_;
  uint64_t terminal_rdev_ = 0;
};

struct FdInfo {
  bool known = false;  // false: there is no such descriptor
  bool regular = false;
  FileId id;
  EchoTarget echo = EchoTarget::kNone;
};

class FdTable {
 public:
  const FdInfo& Look(pid_t pid, int fd, const EchoTargets& targets);
  // To be told of every call that may close or replace descriptors.
  void Follow(FdEffect effect, const std::array<uint64_t, 6>& args, int64_t result);
  void Clear() { known_.clear(); }

 private:
  std::unordered_map<int, FdInfo> known_;
};

}  // namespace retake

#endif  // RETAKE_REPLAY_FD_TABLE_H_
