// ByteWriter and ByteReader: the primitive codec that every on-disk structure is made from.
//
// Little-endian on every host. Integers are LEB128 varints unless a fixed width is asked for. The
// reader never trusts a length: Blob() and Count() are bounded by what is left, so damaged or
// hostile input ends in an error, never in a huge allocation or a read past the end.
#ifndef RETAKE_BASE_BYTES_H_
#define RETAKE_BASE_BYTES_H_

#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace retake {

using ByteSpan = std::span<const uint8_t>;

inline ByteSpan AsBytes(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

// Whether all bytes are zero; none are.
inline bool IsZero(ByteSpan bytes) {
  return bytes.empty() ||
         (bytes[0] == 0 && memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0);
}

class ByteWriter {
 public:
  void U8(uint8_t value) { out_.push_back(value); }
  void U32(uint32_t value) { Fixed(&value, sizeof value); }
  void U64(uint64_t value) { Fixed(&value, sizeof value); }
  void Varint(uint64_t value) {
    while (value >= 0x80) {
      out_.push_back(static_cast<uint8_t>(value) | 0x80);
      value >>= 7;
    }
    out_.push_back(static_cast<uint8_t>(value));
  }
  // Zigzag: small magnitudes of either sign stay short.
  void Signed(int64_t value) {
    Varint((static_cast<uint64_t>(value) << 1) ^ static_cast<uint64_t>(value >> 63));
  }
  void Raw(ByteSpan bytes) { out_.insert(out_.end(), bytes.begin(), bytes.end()); }
  // Length, then bytes.
  void Blob(ByteSpan bytes) {
    Varint(bytes.size());
    Raw(bytes);
  }
  void Text(std::string_view text) { Blob(AsBytes(text)); }

  const std::vector<uint8_t>& bytes() const { return out_; }
  std::vector<uint8_t> Take() { return std::exchange(out_, {}); }
  size_t size() const { return out_.size(); }
  void Clear() { out_.clear(); }

 private:
  void Fixed(const void* data, size_t size) {
    const auto* bytes = static_cast<const uint8_t*>(data);
    out_.insert(out_.end(), bytes, bytes + size);
  }

  std::vector<uint8_t> out_;
};

// Reads what ByteWriter wrote. The first failure sticks: later reads give zero, and status() tells.
// This keeps decoders free of a check per field; they check once per record, before acting on any
// of it.
class ByteReader {
 public:
  explicit ByteReader(ByteSpan bytes) : in_(bytes) {}

  uint8_t U8() {
    if (!Need(1)) return 0;
    return in_[at_++];
  }
  uint32_t U32() { return Fixed<uint32_t>(); }
  uint64_t U64() { return Fixed<uint64_t>(); }
  uint64_t Varint() {
    // Most take one byte.
    if (ok_ && at_ < in_.size() && in_[at_] < 0x80) return in_[at_++];
    return LongVarint();
  }
  int64_t Signed() {
    uint64_t value = Varint();
    return static_cast<int64_t>(value >> 1) ^ -static_cast<int64_t>(value & 1);
  }
  // A view into the input: valid as long as the input is.
  ByteSpan Raw(uint64_t size) {
    if (!Need(size)) return {};
    ByteSpan bytes = in_.subspan(at_, size);
    at_ += size;
    return bytes;
  }
  ByteSpan Blob() { return Raw(Varint()); }
  std::string Text() {
    ByteSpan bytes = Blob();
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }
  // The number of elements that follow, each at least `element_size` bytes (>= 1): fails if they
  // can't fit in what is left, so the caller may reserve that many.
  uint64_t Count(size_t element_size = 1);

  bool AtEnd() const { return at_ == in_.size(); }
  size_t remaining() const { return in_.size() - at_; }
  size_t position() const { return at_; }
  bool ok() const { return ok_; }
  void Fail() { ok_ = false; }
  // An error that names `what` and the offset, if any read failed.
  Status status(std::string_view what) const;

 private:
  uint64_t LongVarint();
  bool Need(uint64_t size) {
    if (ok_ && size <= in_.size() - at_) return true;
    ok_ = false;
    return false;
  }
  template <typename T>
  T Fixed() {
    T value = 0;
    if (Need(sizeof value)) {
      memcpy(&value, in_.data() + at_, sizeof value);
      at_ += sizeof value;
    }
    return value;
  }

  ByteSpan in_;
  size_t at_ = 0;
  bool ok_ = true;
};

}  // namespace retake

#endif  // RETAKE_BASE_BYTES_H_
