// Capture of the memory of a tree: first what is mapped where, while nothing has been written yet
// and a loss can still be refused; then the pages.
#ifndef RETAKE_SNAPSHOT_CAPTURE_MEMORY_H_
#define RETAKE_SNAPSHOT_CAPTURE_MEMORY_H_

#include <sys/stat.h>

#include <map>
#include <span>
#include <utility>
#include <vector>

#include "snapshot/checkpoint_file.h"
#include "snapshot/checkpoint_image.h"
#include "snapshot/shared_objects.h"
#include "snapshot/smaps.h"
#include "tracee/memory.h"

namespace retake {

class MemoryCapture {
 public:
  MemoryCapture(CheckpointImage& image, SharedObjects& objects)
      : image_(image), objects_(objects) {}

  // Adds the regions of `process`, and the files and objects that they show.
  Status AddRegions(const TaskMemory& memory, std::span<const MappingDetails> mappings,
                    ProcessState& process, Losses& losses);

  // Keeps the pages of a process that are its own, read from `source`: the process itself, or a
  // copy of it.
  Status WritePages(const TaskMemory& source, ProcessState& process, CheckpointWriter& writer);

 private:
  Status AddRegion(const TaskMemory& memory, const MappingDetails& details, ProcessState& process,
                   Losses& losses);
  MemoryKind FindObject(const TaskMemory& memory, const Mapping& mapping, MemoryRegion& region);
  uint32_t FileIndex(const Mapping& mapping, const struct stat& status);

  CheckpointImage& image_;
  SharedObjects& objects_;
  std::map<std::pair<uint64_t, uint64_t>, uint32_t> files_;  // by device and inode
};

}  // namespace retake

#endif  // RETAKE_SNAPSHOT_CAPTURE_MEMORY_H_
