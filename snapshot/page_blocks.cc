#include "snapshot/page_blocks.h"

#include <unistd.h>

#include <algorithm>

namespace retake {
namespace {

const uint64_t kPageSize = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));

// In which pages are looked for if they aren't compressed.
constexpr uint64_t kUncompressedUnit = 64 << 10;

// Blocks that wait for the thread that writes.
constexpr size_t kMostWaiting = 8;

void AddRange(PageRange range, std::vector<PageRange>& ranges) {
  if (!ranges.empty()) {
    PageRange& last = ranges.back();
    bool follows = last.start + last.size == range.start && last.block == range.block &&
                   (range.block == kZeroBlock || last.offset + last.size == range.offset);
    if (follows) {
      last.size += range.size;
      return;
    }
  }
  ranges.push_back(range);
}

}  // namespace

// --- What the threads have in common ---

std::unique_ptr<PageBlock> PageBlocks::NewBlock() {
  {
    std::lock_guard lock(mutex_);
    if (!free_.empty()) {
      auto block = std::move(free_.back());
      free_.pop_back();
      return block;
    }
  }
  return std::make_unique<PageBlock>();
}

void PageBlocks::Place(std::span<PageUnit> units, PageBlock& block) {
  auto end = static_cast<uint32_t>(block.bytes.size());
  std::lock_guard lock(known_mutex_);
  for (PageUnit& unit : units) {
    if (unit.zero) continue;
    bool begins = block.number == kZeroBlock;
    std::tie(unit.place, unit.is_new) =
        known_.TryEmplace(unit.hash, {begins ? blocks_ : block.number, end});
    if (!unit.is_new) continue;
    if (begins) block.number = blocks_++;
    end += unit.size;
  }
}

Status PageBlocks::Write(std::unique_ptr<PageBlock> block) {
  std::unique_lock lock(mutex_);
  taken_.wait(lock, [&] { return packed_.size() < kMostWaiting || !failure_.ok(); });
  packed_.push_back(std::move(block));
  if (writing_) return failure_;
  writing_ = true;
  while (failure_.ok() && !packed_.empty()) {
    std::unique_ptr<PageBlock> next = std::move(packed_.front());
    packed_.pop_front();
    taken_.notify_one();
    lock.unlock();
    Status appended = archive_.Append(next->packed);
    lock.lock();
    failure_ = appended;
    written_.push_back(next->number);
    next->number = kZeroBlock;
    next->bytes.clear();
    free_.push_back(std::move(next));
  }
  writing_ = false;
  if (!failure_.ok()) taken_.notify_all();
  return failure_;
}

// --- One thread's part ---

BlockBuilder::BlockBuilder(PageBlocks& blocks, int level)
    : blocks_(blocks),
      level_(level),
      unit_(level == kStoreOnly ? std::max(kPageSize, kUncompressedUnit) : kPageSize) {}

// At multiples of a unit, so that what is the same is divided in the same way.
void BlockBuilder::Divide(uint64_t start, ByteSpan pages) {
  units_.clear();
  while (!pages.empty()) {
    PageUnit unit{.size = static_cast<uint32_t>(kPageSize), .zero = IsZero(pages.first(kPageSize))};
    if (!unit.zero) {
      size_t most = std::min(unit_ - start % unit_, pages.size());
      while (unit.size < most && !IsZero(pages.subspan(unit.size, kPageSize)))
        unit.size += static_cast<uint32_t>(kPageSize);
      unit.hash = HashOf128(pages.first(unit.size));
    }
    units_.push_back(unit);
    pages = pages.subspan(unit.size);
    start += unit.size;
  }
}

Status BlockBuilder::Add(uint64_t start, ByteSpan pages, bool skip_zeros,
                         std::vector<PageRange>& ranges) {
  while (!pages.empty()) {
    ByteSpan piece = pages.first(std::min(pages.size(), kPagesAtOnce));
    pages = pages.subspan(piece.size());
    if (size() + piece.size() > kPageBlockBytes) TRY(Flush());
    if (block_ == nullptr) block_ = blocks_.NewBlock();
    Divide(start, piece);
    blocks_.Place(units_, *block_);
    for (const PageUnit& unit : units_) {
      if (unit.is_new) {
        block_->bytes.reserve(kPageBlockBytes);
        block_->bytes.insert(block_->bytes.end(), piece.begin(), piece.begin() + unit.size);
      }
      if (!unit.zero || !skip_zeros)
        AddRange({start, unit.size, unit.place.block, unit.place.offset}, ranges);
      piece = piece.subspan(unit.size);
      start += unit.size;
    }
  }
  return {};
}

Status BlockBuilder::Flush() {
  if (size() == 0) return {};
  packer_.Pack(blocks_.kind(), 0, block_->bytes, level_, block_->packed);
  return blocks_.Write(std::move(block_));
}

}  // namespace retake
