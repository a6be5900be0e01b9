// Memory read while its owner stands still, to be written to the checkpoint when it goes on again.
#ifndef RETAKE_SNAPSHOT_SAVED_PAGES_H_
#define RETAKE_SNAPSHOT_SAVED_PAGES_H_

#include <cstdint>
#include <span>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "snapshot/checkpoint_file.h"
#include "snapshot/checkpoint_image.h"
#include "tracee/memory.h"
#include "tracee/own_pages.h"

namespace retake {

// Room for what is read: in few large pieces, of huge pages where the kernel has them, and filled
// ahead of the pause. It is given back as a whole.
class PageRoom {
 public:
  PageRoom() = default;
  PageRoom(const PageRoom&) = delete;
  PageRoom& operator=(const PageRoom&) = delete;
  ~PageRoom();

  // Makes room for `bytes`, there to be written to at no further cost.
  Status Prepare(uint64_t bytes);
  Result<std::span<uint8_t>> Take(uint64_t bytes);

 private:
  Status AddPiece(uint64_t bytes);

  std::vector<std::span<uint8_t>> pieces_;
  uint64_t used_ = 0;  // of the last piece
};

// Pages of one process, or of one shared object.
class SavedPages {
 public:
  explicit SavedPages(PageRoom& room) : room_(&room) {}

  // Adds pages to be read. With `skip_zeros`, zero pages among them need not be said.
  void Add(const PageRun& run, bool skip_zeros) { runs_.push_back({run, skip_zeros, {}}); }
  // Reads all that were added since the last time. Pages that can't be read are left out and added
  // to `unreadable`.
  Status Read(const TaskMemory& source, std::vector<PageRun>& unreadable);
  // Adds bytes that were read by another way.
  Status AddBytes(uint64_t start, ByteSpan bytes, bool skip_zeros);
  Status Write(CheckpointWriter& writer, std::vector<PageRange>& pages) const;

 private:
  struct Run {
    PageRun run;
    bool skip_zeros;
    std::span<uint8_t> bytes;  // empty: not read
  };
  Status ReadAround(const TaskMemory& source, Run& run, size_t got,
                    std::vector<PageRun>& unreadable);

  PageRoom* room_;
  std::vector<Run> runs_;
  size_t read_ = 0;  // of the runs
};

}  // namespace retake

#endif  // RETAKE_SNAPSHOT_SAVED_PAGES_H_
