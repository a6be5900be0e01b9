#include "snapshot/page_range.h"

#include <algorithm>

#include "base/populate.h"

namespace retake {
namespace {

// What a range has as one would expect it after the one before. The rest is said, in this order.
constexpr uint8_t kNoGap = 1;      // begins where that ends
constexpr uint8_t kSameSize = 2;   // is as long
constexpr uint8_t kSameBlock = 4;  // is in the same block
constexpr uint8_t kFollows = 8;    // ... right behind it there
constexpr uint8_t kAll = kNoGap | kSameSize | kSameBlock | kFollows;

}  // namespace

void EncodeAll(const std::vector<PageRange>& ranges, ByteWriter& out) {
  out.Varint(ranges.size());
  PageRange last;
  for (const PageRange& range : ranges) {
    // Modulo 2^64 and 2^32, as they are added again.
    uint64_t gap = range.start - (last.start + last.size);
    auto behind = static_cast<uint32_t>(last.offset + last.size);
    uint8_t as_expected = (gap == 0 ? kNoGap : 0) | (range.size == last.size ? kSameSize : 0) |
                          (range.block == last.block ? kSameBlock : 0) |
                          (range.offset == behind ? kFollows : 0);
    out.U8(as_expected);
    if ((as_expected & kNoGap) == 0) out.Varint(gap);
    if ((as_expected & kSameSize) == 0) out.Varint(range.size);
    if ((as_expected & kSameBlock) == 0) out.Varint(range.block);
    if ((as_expected & kFollows) == 0) out.Varint(range.offset);
    last = range;
  }
}

void DecodeAll(ByteReader& in, std::vector<PageRange>& ranges) {
  uint64_t count = in.Count();
  ranges.clear();
  // No range takes less than a byte.
  ranges.reserve(std::min<uint64_t>(count, in.remaining()));
  Populate(ranges);
  auto narrow = [&](uint64_t wide) {
    if (wide > UINT32_MAX) in.Fail();
    return static_cast<uint32_t>(wide);
  };
  PageRange last;
  for (uint64_t i = 0; i < count && in.ok(); ++i) {
    uint8_t as_expected = in.U8();
    if ((as_expected & ~kAll) != 0) return in.Fail();
    auto expected = [&](uint8_t what) { return (as_expected & what) != 0; };
    PageRange range;
    range.start = last.start + last.size + (expected(kNoGap) ? 0 : in.Varint());
    range.size = expected(kSameSize) ? last.size : in.Varint();
    range.block = expected(kSameBlock) ? last.block : narrow(in.Varint());
    range.offset =
        expected(kFollows) ? static_cast<uint32_t>(last.offset + last.size) : narrow(in.Varint());
    ranges.push_back(range);
    last = range;
  }
}

}  // namespace retake
