// CheckpointMemory: the memory of a process in a checkpoint, read where it lies: kept pages from
// the checkpoint, the others from the files that were mapped, if they are here and as they were.
#ifndef RETAKE_SNAPSHOT_CHECKPOINT_MEMORY_H_
#define RETAKE_SNAPSHOT_CHECKPOINT_MEMORY_H_

#include <map>
#include <vector>

#include "base/readable_memory.h"
#include "snapshot/checkpoint_file.h"
#include "snapshot/checkpoint_image.h"

namespace retake {

class CheckpointMemory : public ReadableMemory {
 public:
  // `process` is of the checkpoint's image.
  CheckpointMemory(CheckpointReader& checkpoint, const ProcessState& process);

  size_t ReadSome(uint64_t address, void* buffer, size_t size) const override;

 private:
  // A piece within one page.
  bool ReadPiece(uint64_t address, void* buffer, size_t size) const;
  bool ReadKept(const PageRange& range, uint64_t offset, void* buffer, size_t size) const;
  bool ReadFile(const MemoryRegion& region, uint64_t address, void* buffer, size_t size) const;

  CheckpointReader& checkpoint_;
  const ProcessState& process_;
  std::vector<PageRange> pages_;          // ascending
  mutable std::map<uint32_t, Fd> files_;  // by index of mapped file; invalid: not as it was
};

}  // namespace retake

#endif  // RETAKE_SNAPSHOT_CHECKPOINT_MEMORY_H_
