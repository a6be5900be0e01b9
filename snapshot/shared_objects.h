// The memory and files without a name that a checkpoint keeps whole: shared anonymous memory,
// memfds, files that were deleted while they were open. Mappings and descriptors of several
// processes may show one; it is kept once.
#ifndef RETAKE_SNAPSHOT_SHARED_OBJECTS_H_
#define RETAKE_SNAPSHOT_SHARED_OBJECTS_H_

#include <sys/types.h>

#include <map>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "base/fd.h"
#include "snapshot/checkpoint_file.h"
#include "snapshot/checkpoint_image.h"
#include "snapshot/saved_pages.h"

namespace retake {

class SharedObjects {
 public:
  explicit SharedObjects(std::vector<SharedObject>& objects) : objects_(objects) {}

  // The index of the object that the kernel knows by these; a new one if it isn't known.
  uint32_t IndexOf(uint64_t device, uint64_t inode, const std::string& name);
  SharedObject& at(uint32_t index) { return objects_[index]; }

  // Where its contents can be had: by a descriptor, ...
  void HeldBy(uint32_t index, Fd file);
  // ... or else from a mapping of `size` bytes at `start` in process `pid`, which shows it from
  // `offset` on.
  void ShownBy(uint32_t index, pid_t pid, uint64_t start, uint64_t size, uint64_t offset);

  // What the mappings of a process tell of those that they show.
  void Describe(std::span<const MemoryRegion> regions);

  // Reads the contents of all: while their owners stand still, since others may write to them too.
  Status Save(PageRoom& room);
  // Keeps them.
  Status Write(CheckpointWriter& writer);

 private:
  struct Showing {
    pid_t pid = 0;
    uint64_t start = 0, size = 0, offset = 0;
  };
  struct Source {
    Fd file;
    std::vector<Showing> showings;
    std::optional<SavedPages> saved;
  };

  static Status SaveFile(int file, const SharedObject& object, SavedPages& saved);
  static Status SaveShowings(std::vector<Showing>& showings, SharedObject& object,
                             SavedPages& saved);

  std::vector<SharedObject>& objects_;
  std::vector<Source> sources_;
  std::map<std::pair<uint64_t, uint64_t>, uint32_t> index_;  // by device and inode
};

}  // namespace retake

#endif  // RETAKE_SNAPSHOT_SHARED_OBJECTS_H_
