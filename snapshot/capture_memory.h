// Capture of the memory of a tree. What is mapped where is seen while the processes stand still,
// and so is a loss, before anything is written. Their pages are taken in one of three ways:
//
//   saved   read at once, and written when the processes go on: small processes;
//   copied  read later, from a copy (snapshot/memory_copy.h): large ones;
//   held    read and written while they stand still: those that don't go on at once anyway, and
//           those that no copy can be made of.
#ifndef RETAKE_SNAPSHOT_CAPTURE_MEMORY_H_
#define RETAKE_SNAPSHOT_CAPTURE_MEMORY_H_

#include <sys/stat.h>

#include <map>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "snapshot/checkpoint_file.h"
#include "snapshot/checkpoint_image.h"
#include "snapshot/memory_copy.h"
#include "snapshot/saved_pages.h"
#include "snapshot/shared_objects.h"
#include "snapshot/smaps.h"
#include "tracee/memory.h"
#include "tracee/own_pages.h"

namespace retake {

// The memory of one process while its checkpoint is taken.
class ProcessMemory {
 public:
  // Bytes of its own that are saved at once. To read this much takes some milliseconds, and so does
  // the copy of a process many times as large.
  static constexpr uint64_t kSavedAtMost = 16 << 20;

  // `tid` is a task of the process that lives.
  static Result<std::unique_ptr<ProcessMemory>> Open(pid_t tid, PageRoom& room, bool may_go_on);

  const TaskMemory& memory() const { return memory_; }
  const std::vector<Mapping>& mappings() const { return mappings_; }
  PagesTaken taken() const { return taken_; }
  bool wants_copy() const { return taken_ == PagesTaken::kFromCopy && copy_ == nullptr; }
  // Makes the copy, or finds that there can't be one: then it is held.
  Status MakeCopy(Injection& injection);

  // While the process stands still, when its regions are known: saves what has to be read now.
  Status Save(ProcessState& process, Losses& losses);
  // When it may go on: completes the flags of its regions.
  Status Complete(ProcessState& process, Losses& losses);
  Status Write(ProcessState& process, CheckpointWriter& writer);

 private:
  ProcessMemory(TaskMemory memory, PageRoom& room) : memory_(std::move(memory)), saved_(room) {}
  Status ReadDetails();
  void SetDetails(std::span<const MappingDetails> details, ProcessState& process, Losses& losses);
  Status AddToSaved(const OwnPages& own, const MemoryRegion& region);
  Status AddGuards(const OwnPages& own, ProcessState& process);
  Status AddWhatCopyLacks(const OwnPages& own, const ProcessState& process);
  // Of pages that couldn't be read: adds those that are guards to the process's. The others.
  static Result<std::vector<PageRun>> FindGuards(const OwnPages& own,
                                                 std::span<const PageRun> unreadable,
                                                 ProcessState& process);

  TaskMemory memory_;
  PagesTaken taken_ = PagesTaken::kSaved;
  std::vector<MappingDetails> details_;  // empty where they come from the copy
  std::vector<Mapping> mappings_;
  SavedPages saved_;
  std::unique_ptr<MemoryCopy> copy_;
  std::vector<uint64_t> saved_regions_;  // the starts of regions that the copy lacks
};

// What mappings of the tree show: files and shared objects.
class RegionFinder {
 public:
  RegionFinder(CheckpointImage& image, SharedObjects& objects) : image_(image), objects_(objects) {}

  // Adds the regions of `process`.
  Status AddRegions(const TaskMemory& memory, std::span<const Mapping> mappings,
                    ProcessState& process);

 private:
  MemoryKind FindObject(const TaskMemory& memory, const Mapping& shown, MemoryRegion& region);
  Mapping UnderOtherName(pid_t pid, const Mapping& mapping);

  CheckpointImage& image_;
  SharedObjects& objects_;
  using Identity = std::pair<uint64_t, uint64_t>;  // device and inode
  std::map<Identity, uint32_t> files_;
  std::map<Identity, std::string>
      other_names_;  // of those whose name is gone; empty: none is known
};

}  // namespace retake

#endif  // RETAKE_SNAPSHOT_CAPTURE_MEMORY_H_
