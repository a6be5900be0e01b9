#include "base/bytes.h"

namespace retake {

uint64_t ByteReader::LongVarint() {
  uint64_t value = 0;
  for (int shift = 0; shift < 64; shift += 7) {
    uint8_t byte = U8();
    if (!ok_) return 0;
    if (shift == 63 && byte > 1) break;  // more than 64 bits
    value |= static_cast<uint64_t>(byte & 0x7f) << shift;
    if ((byte & 0x80) == 0) return value;
  }
  ok_ = false;
  return 0;
}

uint64_t ByteReader::Count(size_t element_size) {
  uint64_t count = Varint();
  if (!ok_ || count > remaining() / element_size) {
    ok_ = false;
    return 0;
  }
  return count;
}

Status ByteReader::status(std::string_view what) const {
  if (ok_) return {};
  return MakeError("{} is damaged or cut short at byte {}", what, at_);
}

}  // namespace retake
