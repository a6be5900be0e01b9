// ThreadMemory: reads and writes the memory of the process that a thread belongs to, without ptrace
// and without stopping it: process_vm_readv(2) and process_vm_writev(2), or /proc/TID/mem where
// those may not be used.
//
// Named by a bare thread id, which says nothing of who has it now: only for a thread that waits in
// a notification, and whoever reads checks afterwards that it still does (notify.cc). For a write
// the check comes just before: a number can come back only once the kernel has given out every
// other, which takes longer than the two calls between.
#ifndef RETAKE_SUPERVISOR_NOTIFY_MEMORY_H_
#define RETAKE_SUPERVISOR_NOTIFY_MEMORY_H_

#include <sys/types.h>

#include "base/bytes.h"
#include "base/readable_memory.h"

namespace retake {

// Memory that a notified call's answer is written to.
class WritableMemory : public ReadableMemory {
 public:
  // False if not all of it could be written, with the program's own page protections. What comes
  // before the first byte that can't be written may have been.
  virtual bool Write(uint64_t address, ByteSpan bytes) = 0;
};

class ThreadMemory : public WritableMemory {
 public:
  explicit ThreadMemory(pid_t tid) : tid_(tid) {}

  size_t ReadSome(uint64_t address, void* buffer, size_t size) const override;
  bool Write(uint64_t address, ByteSpan bytes) override;

 private:
  pid_t tid_;
};

}  // namespace retake

#endif  // RETAKE_SUPERVISOR_NOTIFY_MEMORY_H_
