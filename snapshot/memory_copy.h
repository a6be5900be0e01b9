// MemoryCopy: a process's memory at one instant, as a fork of it that nothing ever runs in. The
// original goes on and the copy is read at leisure.
//
// The fork is made by a helper in the same memory, not by the process itself, which so has no child
// that it could see, and holds none of the process's descriptors. It is a child of whoever takes in
// orphans, and ends with us.
//
// A fork lacks memory that the process has told the kernel to keep from forks (MADV_DONTFORK,
// MADV_WIPEONFORK), and shares what is shared.
#ifndef RETAKE_SNAPSHOT_MEMORY_COPY_H_
#define RETAKE_SNAPSHOT_MEMORY_COPY_H_

#include <memory>

#include "base/result.h"
#include "snapshot/injection.h"
#include "tracee/memory.h"

namespace retake {

class MemoryCopy {
 public:
  // Of the process of that injection. Fails where it can't fork: a limit, a lack of memory.
  static Result<std::unique_ptr<MemoryCopy>> Take(Injection& injection);
  MemoryCopy(const MemoryCopy&) = delete;
  MemoryCopy& operator=(const MemoryCopy&) = delete;
  // Ends it.
  ~MemoryCopy();

  pid_t pid() const { return memory_.pid(); }
  const TaskMemory& memory() const { return memory_; }

 private:
  explicit MemoryCopy(TaskMemory memory) : memory_(std::move(memory)) { memory_.ReadThroughFile(); }
  TaskMemory memory_;
};

}  // namespace retake

#endif  // RETAKE_SNAPSHOT_MEMORY_COPY_H_
