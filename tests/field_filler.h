// FieldFiller: fills a structure of fields (snapshot/fields.h), so that a test sees each of them.
#ifndef RETAKE_TESTS_FIELD_FILLER_H_
#define RETAKE_TESTS_FIELD_FILLER_H_

#include <fmt/format.h>

#include <concepts>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "arch/arch.h"

namespace retake {

// Gives every field of a structure another value than the one before.
class FieldFiller {
 public:
  template <typename T>
  void operator()(const char*, T& value) {
    Fill(value);
  }

 private:
  template <typename T>
  void Fill(T& value) {
    if constexpr (std::is_same_v<T, bool>) {
      value = true;
    } else if constexpr (std::is_enum_v<T>) {
      value = static_cast<T>(1);
    } else if constexpr (std::integral<T>) {
      value = static_cast<T>(std::is_signed_v<T> ? -++count_ : ++count_);
    } else {
      Visit(*this, value);
    }
  }
  void Fill(std::string& text) { text = fmt::format("text {}", ++count_); }
  void Fill(Registers& registers) {
    for (uint64_t& word : registers.words) word = static_cast<uint64_t>(++count_);
  }
  template <typename T>
  void Fill(std::vector<T>& values) {
    values.resize(2);
    for (T& value : values) Fill(value);
  }
  template <typename T>
  void Fill(std::optional<T>& value) {
    Fill(value.emplace());
  }

  int count_ = 0;
};

}  // namespace retake

#endif  // RETAKE_TESTS_FIELD_FILLER_H_
