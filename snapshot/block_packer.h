// BlockPacker: writes records to an archive in the order in which they come, and compresses them on
// all CPUs.
#ifndef RETAKE_SNAPSHOT_BLOCK_PACKER_H_
#define RETAKE_SNAPSHOT_BLOCK_PACKER_H_

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "archive/archive.h"

namespace retake {

class BlockPacker {
 public:
  // Of records of `kind`, with that zstd level or kStoreOnly.
  BlockPacker(ArchiveWriter& archive, uint16_t kind, int level)
      : archive_(archive), kind_(kind), level_(level) {}
  BlockPacker(const BlockPacker&) = delete;
  BlockPacker& operator=(const BlockPacker&) = delete;
  ~BlockPacker();

  // Takes the next record, and leaves an empty one, with room, in its place. Waits while too many
  // are in work.
  Status Add(std::vector<uint8_t>& block);
  // Writes all that were added.
  Status Finish();

 private:
  struct Job {
    std::vector<uint8_t> block;
    PackedSection packed;
    bool done = false;
  };

  void Start();
  void Work();
  // Writes those that are done; if more than `most` are in work, waits for the first of them.
  Status WriteDone(size_t most);

  ArchiveWriter& archive_;
  const uint16_t kind_;
  const int level_;
  std::vector<uint8_t> first_;  // the first block: often there is no other
  bool has_first_ = false;

  std::vector<std::thread> threads_;
  std::mutex mutex_;
  std::condition_variable added_, packed_;
  std::deque<std::unique_ptr<Job>> jobs_;  // in order, until they are written
  std::vector<std::unique_ptr<Job>> free_;
  size_t begun_ = 0;  // of jobs_, from the front
  bool ending_ = false;
};

}  // namespace retake

#endif  // RETAKE_SNAPSHOT_BLOCK_PACKER_H_
