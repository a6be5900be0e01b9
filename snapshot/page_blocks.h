// The blocks that a checkpoint keeps pages in. Threads put them together side by side, each one a
// block of its own at a time: it looks at pages, packs its block and hands it over, all on one CPU,
// whose cache holds what it works on.
#ifndef RETAKE_SNAPSHOT_PAGE_BLOCKS_H_
#define RETAKE_SNAPSHOT_PAGE_BLOCKS_H_

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "archive/archive.h"
#include "snapshot/known_units.h"
#include "snapshot/page_range.h"

namespace retake {

// Bytes of a whole block of pages, and the most that any has.
inline constexpr uint64_t kPageBlockBytes = 1 << 20;
// The most that are best looked at together: some of a CPU's own cache.
inline constexpr uint64_t kPagesAtOnce = 256 << 10;

// Pages that are kept in one piece, or one of zeros.
struct PageUnit {
  uint32_t size = 0;
  bool zero = false;
  bool is_new = false;  // it has to be put where it is
  Hash128 hash;
  KnownUnits::Place place;
};

struct PageBlock {
  uint32_t number = kZeroBlock;  // once anything is in it
  std::vector<uint8_t> bytes;
  PackedSection packed;
};

// What the threads have in common: which pages are where, and the file.
class PageBlocks {
 public:
  // Written as records of `kind`.
  PageBlocks(ArchiveWriter& archive, uint16_t kind) : archive_(archive), kind_(kind) {}
  PageBlocks(const PageBlocks&) = delete;
  PageBlocks& operator=(const PageBlocks&) = delete;

  uint16_t kind() const { return kind_; }
  std::unique_ptr<PageBlock> NewBlock();
  // Says where each is that isn't of zeros. Those that aren't known are new, and come to `block`,
  // one behind the other.
  void Place(std::span<PageUnit> units, PageBlock& block);
  // Writes a block that is packed. It may be done by a thread that is writing already.
  Status Write(std::unique_ptr<PageBlock> block);
  // The number of each block, in the order in which they were written. When no thread is at work.
  std::span<const uint32_t> written() const { return written_; }

 private:
  ArchiveWriter& archive_;
  const uint16_t kind_;

  std::mutex known_mutex_;
  KnownUnits known_;
  uint32_t blocks_ = 0;

  std::mutex mutex_;
  std::condition_variable taken_;
  std::deque<std::unique_ptr<PageBlock>> packed_;
  std::vector<std::unique_ptr<PageBlock>> free_;
  std::vector<uint32_t> written_;
  bool writing_ = false;
  Status failure_;
};

// One thread's part. Pages are looked for among those that are kept already one by one, or, if
// nothing is to be compressed, several at once: that is asked for to be quick to restore, which
// many ranges aren't.
class BlockBuilder {
 public:
  // With that zstd level, or kStoreOnly.
  BlockBuilder(PageBlocks& blocks, int level);

  // Keeps whole pages that stand at `start`; adds where they went to `ranges`. Zero pages and those
  // that are kept already take no room. With `skip_zeros`, zero pages aren't even said: where there
  // is nothing, zeros are.
  Status Add(uint64_t start, ByteSpan pages, bool skip_zeros, std::vector<PageRange>& ranges);
  // Bytes of the block that isn't full yet.
  size_t size() const { return block_ == nullptr ? 0 : block_->bytes.size(); }
  // Writes it.
  Status Flush();

 private:
  void Divide(uint64_t start, ByteSpan pages);

  PageBlocks& blocks_;
  const int level_;
  const size_t unit_;  // the most bytes that are looked for as a whole
  std::unique_ptr<PageBlock> block_;
  std::vector<PageUnit> units_;
  SectionPacker packer_;
};

}  // namespace retake

#endif  // RETAKE_SNAPSHOT_PAGE_BLOCKS_H_
