#include "snapshot/pending_pages.h"

#include <algorithm>
#include <iterator>
#include <numeric>

#include "base/populate.h"

namespace retake {
namespace {

// The part of a range that is between.
PageRange Part(const PageRange& range, uint64_t start, uint64_t end) {
  PageRange part = range;
  part.start = std::max(range.start, start);
  part.size = std::min(range.start + range.size, end) - part.start;
  part.offset += static_cast<uint32_t>(part.start - range.start);
  return part;
}

// Their indices, those of one block together and ascending. By counting: sorting would take longer
// than all else that a program waits for.
std::vector<uint32_t> OrderByBlock(std::span<const PageRange* const> ranges) {
  uint32_t last_block = 0;
  for (const PageRange* range : ranges) last_block = std::max(last_block, range->block);
  std::vector<uint32_t> next(size_t{last_block} + 2);  // where the next of each block goes
  for (const PageRange* range : ranges) ++next[size_t{range->block} + 1];
  std::partial_sum(next.begin(), next.end(), next.begin());
  std::vector<uint32_t> order;
  order.reserve(ranges.size());
  Populate(order);
  order.resize(ranges.size());
  for (uint32_t i = 0; i < ranges.size(); ++i) order[next[ranges[i]->block]++] = i;
  return order;
}

}  // namespace

PendingPages::PendingPages(std::span<const std::span<const PageRange>> runs) {
  auto ranges = std::make_shared<Ranges>();
  size_t count = 0;
  for (std::span<const PageRange> run : runs) count += run.size();
  ranges->by_address.reserve(count);
  Populate(ranges->by_address);
  for (std::span<const PageRange> run : runs) {
    for (const PageRange& range : run) ranges->by_address.push_back(&range);
  }
  ranges->by_block = OrderByBlock(ranges->by_address);
  gone_.resize(count);
  left_ = count;
  ranges_ = std::move(ranges);
}

size_t PendingPages::FirstBehind(uint64_t address) const {
  const auto& ranges = ranges_->by_address;
  auto first = std::partition_point(ranges.begin(), ranges.end(), [&](const PageRange* range) {
    return range->start + range->size <= address;
  });
  return static_cast<size_t>(first - ranges.begin());
}

std::optional<PageRange> PendingPages::At(uint64_t address) const {
  size_t index = FirstBehind(address);
  if (index < gone_.size() && !gone_[index] && ranges_->by_address[index]->start <= address)
    return *ranges_->by_address[index];
  auto behind = pieces_.upper_bound(address);
  if (behind == pieces_.begin()) return std::nullopt;
  const PageRange& range = std::prev(behind)->second;
  return address - range.start < range.size ? std::optional(range) : std::nullopt;
}

PageRange PendingPages::Next() {
  for (; next_ < ranges_->by_block.size(); ++next_) {
    uint32_t index = ranges_->by_block[next_];
    if (!gone_[index]) return *ranges_->by_address[index];
  }
  return pieces_.begin()->second;
}

void PendingPages::Cut(const PageRange& range, uint64_t start, uint64_t end,
                       std::vector<PageRange>& taken) {
  uint64_t range_end = range.start + range.size;
  if (range.start < start) Put(Part(range, range.start, start));
  taken.push_back(Part(range, start, end));
  if (range_end > end) Put(Part(range, end, range_end));
}

std::vector<PageRange> PendingPages::Take(uint64_t start, uint64_t end) {
  std::vector<PageRange> taken;
  if (start >= end) return taken;
  // Pieces first: those of ranges that are cut now are none of them.
  auto piece = pieces_.upper_bound(start);
  if (piece != pieces_.begin()) --piece;
  std::vector<PageRange> touched;
  while (piece != pieces_.end() && piece->first < end) {
    if (piece->first + piece->second.size <= start) {
      ++piece;
      continue;
    }
    touched.push_back(piece->second);
    piece = pieces_.erase(piece);
  }
  for (const PageRange& range : touched) Cut(range, start, end, taken);
  const auto& ranges = ranges_->by_address;
  for (size_t index = FirstBehind(start); index < ranges.size() && ranges[index]->start < end;
       ++index) {
    if (gone_[index]) continue;
    gone_[index] = true;
    --left_;
    Cut(*ranges[index], start, end, taken);
  }
  return taken;
}

}  // namespace retake
