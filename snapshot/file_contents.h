// What files hold, by hash: whether a file that was mapped or open is still the same when its
// processes are restored, though it may have been copied, rebuilt or touched meanwhile.
#ifndef RETAKE_SNAPSHOT_FILE_CONTENTS_H_
#define RETAKE_SNAPSHOT_FILE_CONTENTS_H_

#include <sys/stat.h>

#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "snapshot/checkpoint_image.h"

namespace retake {

// Larger files are known by size and time alone: to read them would take longer than all else.
inline constexpr uint64_t kMostHashedBytes = uint64_t{256} << 20;

// Whether the regular file open at `fd` holds what `file` did.
bool IsSameContent(const NamedFile& file, int fd);

// Whether not a byte of it can have been changed since `file` was noted: nobody can set the time of
// that. `status` is what fstat(2) says of it.
bool IsUntouched(const NamedFile& file, const struct stat& status);

// The files, by device and inode, that a process of the image has a lease on: to open one breaks
// the lease and signals its holder.
std::set<std::pair<uint64_t, uint64_t>> LeasedFiles(const CheckpointImage& image);

// Notes what those files hold that processes write to by mappings: while they stand still.
void HashWrittenFiles(CheckpointImage& image);

// Reads the other files of an image on a thread of its own.
class ContentHashing {
 public:
  explicit ContentHashing(const CheckpointImage& image);
  ContentHashing(const ContentHashing&) = delete;
  ContentHashing& operator=(const ContentHashing&) = delete;
  ~ContentHashing();

  // Waits until all are read, and notes what was found in `image`, the same.
  void Finish(CheckpointImage& image);

 private:
  std::vector<NamedFile> mapped_, opened_;
  std::thread thread_;
};

}  // namespace retake

#endif  // RETAKE_SNAPSHOT_FILE_CONTENTS_H_
