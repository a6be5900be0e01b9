// PageRange: where a checkpoint keeps pages.
#ifndef RETAKE_SNAPSHOT_PAGE_RANGE_H_
#define RETAKE_SNAPSHOT_PAGE_RANGE_H_

#include <cstdint>
#include <vector>

#include "base/bytes.h"

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

// How all ranges of a process are kept (snapshot/fields.h). There may be hundreds of thousands, and
// a restored program waits until they are read: so each says only in what it differs from the one
// before. Fails the reader on damaged input.
void EncodeAll(const std::vector<PageRange>& ranges, ByteWriter& out);
void DecodeAll(ByteReader& in, std::vector<PageRange>& ranges);

}  // namespace retake

#endif  // RETAKE_SNAPSHOT_PAGE_RANGE_H_
