// PageRange: where a checkpoint keeps pages.
#ifndef RETAKE_SNAPSHOT_PAGE_RANGE_H_
#define RETAKE_SNAPSHOT_PAGE_RANGE_H_

#include <cstdint>

namespace retake {

// A run of pages that are kept, of one process, one shared object or one file.
struct PageRange {
  uint64_t start = 0, size = 0;  // address, or offset into the object or file
  // Where they are: `size` bytes from `offset` on of that block; the block kZeroBlock is all zeros.
  uint32_t block = 0;
  uint32_t offset = 0;
};

inline constexpr uint32_t kZeroBlock = ~uint32_t{0};

template <typename V>
void Visit(V& visit, PageRange& range) {
  visit("start", range.start);
  visit("size", range.size);
  visit("block", range.block);
  visit("offset", range.offset);
}

}  // namespace retake

#endif  // RETAKE_SNAPSHOT_PAGE_RANGE_H_
