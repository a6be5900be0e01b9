// FieldJson: the structures of a checkpoint (snapshot/fields.h) as JSON. Bytes are in hexadecimal,
// long ones cut; of kept pages only their number is told.
#ifndef RETAKE_CLI_FIELD_JSON_H_
#define RETAKE_CLI_FIELD_JSON_H_

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "snapshot/checkpoint_image.h"

namespace retake {

class FieldJson {
 public:
  // `arch` is whose registers there are.
  template <typename T>
  static nlohmann::ordered_json Of(const T& value, const ArchDescription& arch) {
    FieldJson visitor(arch);
    visitor("", value);
    return std::move(visitor.json_[""]);
  }

  template <typename T>
  void operator()(const char* name, const T& value) {
    json_[name] = Convert(value);
  }

 private:
  using Json = nlohmann::ordered_json;

  explicit FieldJson(const ArchDescription& arch) : arch_(arch) {}

  template <typename T>
  Json Convert(const T& value) {
    if constexpr (std::is_enum_v<T>) {
      return static_cast<std::underlying_type_t<T>>(value);
    } else if constexpr (std::is_arithmetic_v<T>) {
      return value;
    } else {
      FieldJson inner(arch_);
      // Visit takes what it visits by reference to be filled; this visitor only reads.
      Visit(inner, const_cast<T&>(value));
      return std::move(inner.json_);
    }
  }
  Json Convert(const std::string& text) { return text; }
  Json Convert(const std::vector<uint8_t>& bytes) {
    constexpr size_t kMost = 256;
    std::string text;
    for (size_t i = 0; i < std::min(bytes.size(), kMost); ++i)
      text += fmt::format("{:02x}", bytes[i]);
    if (bytes.size() > kMost) text += fmt::format("... ({} bytes)", bytes.size());
    return text;
  }
  Json Convert(const Registers& registers) {
    Json json;
    auto infos = arch_.registers;
    for (size_t i = 0; i < infos.size(); ++i)
      json[std::string(infos[i].name)] = fmt::format("{:#x}", registers.words[i]);
    return json;
  }
  Json Convert(const std::vector<PageRange>& ranges) {
    uint64_t bytes = 0, zeros = 0;
    for (const PageRange& range : ranges) (range.block == kZeroBlock ? zeros : bytes) += range.size;
    return {{"ranges", ranges.size()}, {"bytes", bytes}, {"zero_bytes", zeros}};
  }
  template <typename T>
  Json Convert(const std::vector<T>& values) {
    Json json = Json::array();
    for (const T& value : values) json.push_back(Convert(value));
    return json;
  }
  template <typename T>
  Json Convert(const std::optional<T>& value) {
    return value ? Convert(*value) : Json();
  }

  const ArchDescription& arch_;
  Json json_;
};

}  // namespace retake

#endif  // RETAKE_CLI_FIELD_JSON_H_
