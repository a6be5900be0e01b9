// Fields: how the structures of a checkpoint become bytes, come back, and become JSON, from one
// list of fields per structure.
//
//   struct Thing { uint64_t size = 0; std::string name; };
//   template <typename V> void Visit(V& visit, Thing& thing) {
//     visit("size", thing.size);
//     visit("name", thing.name);
//   }
//
// A structure is kept with its length. Fields are only ever appended: a reader that doesn't know a
// field skips it, and one that misses a field leaves it as the structure's default. Where there may
// be very many of a structure, it has an EncodeAll and a DecodeAll of its own.
#ifndef RETAKE_SNAPSHOT_FIELDS_H_
#define RETAKE_SNAPSHOT_FIELDS_H_

#include <concepts>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "arch/arch.h"
#include "base/bytes.h"

namespace retake {

class FieldWriter {
 public:
  explicit FieldWriter(ByteWriter& out) : out_(out) {}

  template <typename T>
  void operator()(const char*, const T& value) {
    Put(value);
  }

 private:
  template <typename T>
  void Put(const T& value) {
    if constexpr (std::is_enum_v<T>) {
      out_.Varint(static_cast<uint64_t>(value));
    } else if constexpr (std::signed_integral<T>) {
      out_.Signed(value);
    } else if constexpr (std::integral<T>) {
      out_.Varint(value);
    } else {
      ByteWriter bytes;
      FieldWriter inner(bytes);
      // Visit takes what it visits by reference to be filled; this visitor only reads.
      Visit(inner, const_cast<T&>(value));
      out_.Blob(bytes.bytes());
    }
  }
  void Put(const std::string& text) { out_.Text(text); }
  void Put(const std::vector<uint8_t>& bytes) { out_.Blob(bytes); }
  void Put(const Registers& registers) {
    size_t words = Registers::kMaxWords;
    while (words > 0 && registers.words[words - 1] == 0) --words;
    out_.Varint(words);
    for (size_t i = 0; i < words; ++i) out_.Varint(registers.words[i]);
  }
  template <typename T>
  void Put(const std::vector<T>& values) {
    if constexpr (requires { EncodeAll(values, out_); }) return EncodeAll(values, out_);
    out_.Varint(values.size());
    for (const T& value : values) Put(value);
  }
  template <typename T>
  void Put(const std::optional<T>& value) {
    out_.U8(value.has_value() ? 1 : 0);
    if (value) Put(*value);
  }

  ByteWriter& out_;
};

class FieldReader {
 public:
  explicit FieldReader(ByteReader& in) : in_(in) {}

  template <typename T>
  void operator()(const char*, T& value) {
    if (in_.ok() && !in_.AtEnd()) Get(value);
  }

 private:
  template <typename T>
  void Get(T& value) {
    if constexpr (std::is_same_v<T, bool>) {
      value = in_.Varint() != 0;
    } else if constexpr (std::is_enum_v<T>) {
      value = static_cast<T>(Narrow<std::underlying_type_t<T>>(in_.Varint()));
    } else if constexpr (std::signed_integral<T>) {
      int64_t wide = in_.Signed();
      value = static_cast<T>(wide);
      if (value != wide) in_.Fail();
    } else if constexpr (std::integral<T>) {
      value = Narrow<T>(in_.Varint());
    } else {
      ByteReader bytes(in_.Blob());
      FieldReader inner(bytes);
      Visit(inner, value);
      if (!bytes.ok()) in_.Fail();
    }
  }
  void Get(std::string& text) { text = in_.Text(); }
  void Get(std::vector<uint8_t>& bytes) {
    ByteSpan blob = in_.Blob();
    bytes.assign(blob.begin(), blob.end());
  }
  void Get(Registers& registers) {
    registers = {};
    uint64_t words = in_.Count();
    if (words > Registers::kMaxWords) return in_.Fail();
    for (size_t i = 0; i < words; ++i) registers.words[i] = in_.Varint();
  }
  template <typename T>
  void Get(std::vector<T>& values) {
    if constexpr (requires { DecodeAll(in_, values); }) return DecodeAll(in_, values);
    values.clear();
    uint64_t count = in_.Count();
    // What a hostile count could make of it: no more than sixteen times the input's size at once.
    values.reserve(std::min<uint64_t>(count, 1 + in_.remaining() * 16 / sizeof(T)));
    for (uint64_t i = 0; i < count && in_.ok(); ++i) Get(values.emplace_back());
  }
  template <typename T>
  void Get(std::optional<T>& value) {
    value.reset();
    if (in_.U8() != 0) Get(value.emplace());
  }
  template <typename T>
  T Narrow(uint64_t wide) {
    T value = static_cast<T>(wide);
    if (static_cast<uint64_t>(value) != wide) in_.Fail();
    return value;
  }

  ByteReader& in_;
};

template <typename T>
void EncodeFields(const T& value, ByteWriter& out) {
  FieldWriter writer(out);
  writer("", value);
}

// Fails the reader on damaged input.
template <typename T>
void DecodeFields(ByteReader& in, T& value) {
  FieldReader reader(in);
  reader("", value);
}

}  // namespace retake

#endif  // RETAKE_SNAPSHOT_FIELDS_H_
