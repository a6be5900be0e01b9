// TaskMemory: another process's memory. Reads and writes go through process_vm_readv/writev, which
// need no descriptor and take many ranges at once; what page protections forbid, and machines where
// those calls are refused, go through /proc/PID/mem, opened once per address space (at exec: after
// PR_SET_DUMPABLE 0 it could no longer be opened).
#ifndef RETAKE_TRACEE_MEMORY_H_
#define RETAKE_TRACEE_MEMORY_H_

#include <sys/types.h>

#include <span>

#include "base/bytes.h"
#include "base/fd.h"
#include "base/readable_memory.h"
#include "base/result.h"

namespace retake {

class TaskMemory : public ReadableMemory {
 public:
  static Result<TaskMemory> Open(pid_t pid);

  size_t ReadSome(uint64_t address, void* buffer, size_t size) const override;

  // One piece of a gathered read: `got` is set to how much could be read.
  struct Piece {
    uint64_t address;
    std::span<uint8_t> buffer;
    size_t got = 0;
  };
  // Reads many pieces with as few calls as possible.
  void Gather(std::span<Piece> pieces) const;

  // Writes, where page protections allow it.
  Status Write(uint64_t address, ByteSpan bytes) const;
  // Writes many pieces, with as few calls as possible.
  struct Output {
    uint64_t address;
    ByteSpan bytes;
  };
  Status Scatter(std::span<const Output> outputs) const;
  // Writes what the task itself could write, and nothing else (where the machine lets us know).
  Status WriteAsTask(uint64_t address, ByteSpan bytes) const;
  // The same; false also where the machine doesn't let us know. Part may have been written.
  bool WriteIfAllowed(uint64_t address, ByteSpan bytes) const;
  // Writes whatever the protections say (text, read-only data). Some kernels refuse
  // (PROC_MEM_NO_FORCE), and all do for shared memory, but for that of set_shared_files().
  Status ForceWrite(uint64_t address, ByteSpan bytes) const;

  // Reads through /proc/PID/mem alone. process_vm_readv pins pages, and to pin one that a fork
  // shares the kernel first makes a copy of it.
  void ReadThroughFile() { through_file_ = true; }

  // The same memory seen through another task of the process (process_vm_* needs a living one).
  void set_pid(pid_t pid) { pid_ = pid; }
  pid_t pid() const { return pid_; }
  // Descriptors of this process, writable, of files that the process may have mapped shared.
  void set_shared_files(std::span<const int> files) { shared_files_ = files; }

 private:
  TaskMemory(pid_t pid, Fd mem) : pid_(pid), mem_(std::move(mem)) {}
  // process_vm_writev, and what it returns.
  ssize_t WriteDirectly(uint64_t address, ByteSpan bytes) const;
  // Writes to the file that is mapped shared at `address`. False: none is, or it isn't known.
  bool WriteToSharedFile(uint64_t address, ByteSpan bytes) const;

  pid_t pid_;
  Fd mem_;
  std::span<const int> shared_files_;
  bool through_file_ = false;
};

}  // namespace retake

#endif  // RETAKE_TRACEE_MEMORY_H_
