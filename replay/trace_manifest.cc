// Written by hand, since it is on the path of every recording's start; read with nlohmann-json.
//
// JSON strings are Unicode and a command line is bytes: a string that is no UTF-8 becomes
// {"hex": "..."} and comes back as the bytes it was.
#include "replay/trace_manifest.h"

#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>

#include "archive/format.h"

namespace retake {
namespace {

constexpr std::string_view kOpening = "{\n  \"format\": \"retake-trace\"";
constexpr std::string_view kChecksumMember = "\n  \"checksum\": \"";

struct EndName {
  TraceEnd end;
  std::string_view name;
};
constexpr EndName kEndNames[] = {
    {TraceEnd::kUnfinished, "unfinished"},
    {TraceEnd::kComplete, "complete"},
    {TraceEnd::kStopped, "stopped"},
};

// Length of the UTF-8 sequence at the start of `text`, 0 if it is none (Unicode table 3-7).
size_t Utf8Length(std::string_view text) {
  auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  auto tail = [&](size_t i, uint8_t low = 0x80, uint8_t high = 0xbf) {
    return i < text.size() && byte(i) >= low && byte(i) <= high;
  };
  uint8_t first = byte(0);
  if (first < 0x80) return 1;
  if (first >= 0xc2 && first <= 0xdf) return tail(1) ? 2 : 0;
  if (first >= 0xe0 && first <= 0xef) {
    uint8_t low = first == 0xe0 ? 0xa0 : 0x80;
    uint8_t high = first == 0xed ? 0x9f : 0xbf;
    return tail(1, low, high) && tail(2) ? 3 : 0;
  }
  if (first >= 0xf0 && first <= 0xf4) {
    uint8_t low = first == 0xf0 ? 0x90 : 0x80;
    uint8_t high = first == 0xf4 ? 0x8f : 0xbf;
    return tail(1, low, high) && tail(2) && tail(3) ? 4 : 0;
  }
  return 0;
}

bool IsUtf8(std::string_view text) {
  while (!text.empty()) {
    size_t length = Utf8Length(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

class JsonWriter {
 public:
  JsonWriter() : out_(kOpening) {}

  void Name(std::string_view name) {
    out_ += ",\n  \"";
    out_ += name;
    out_ += "\": ";
  }
  void Text(std::string_view text) {
    if (!IsUtf8(text)) {
      out_ += "{\"hex\": \"";
      for (char c : text) out_ += fmt::format("{:02x}", static_cast<uint8_t>(c));
      out_ += "\"}";
      return;
    }
    out_ += '"';
    for (char c : text) {
      if (c == '"' || c == '\\') {
        out_ += '\\';
        out_ += c;
      } else if (static_cast<uint8_t>(c) < 0x20) {
        out_ += fmt::format("\\u{:04x}", static_cast<int>(c));
      } else {
        out_ += c;
      }
    }
    out_ += '"';
  }
  void Texts(const std::vector<std::string>& texts) {
    out_ += '[';
    for (size_t i = 0; i < texts.size(); i++) {
      if (i > 0) out_ += ", ";
      Text(texts[i]);
    }
    out_ += ']';
  }
  template <typename T>
  void Number(T value) {
    out_ += fmt::format("{}", value);
  }
  std::string& out() { return out_; }

 private:
  std::string out_;
};

uint64_t ChecksumOf(std::string_view text) { return archive_format::Checksum(AsBytes(text), 0); }

using Json = nlohmann::json;

// Reads members of a JSON object by name. A member that isn't there leaves its field as it is; one
// of the wrong type is damage, remembered for the end.
class Members {
 public:
  explicit Members(const Json& object) : object_(object) {}

  template <typename T>
  void Integer(const char* name, T& field) {
    const Json* member = Find(name);
    if (member == nullptr) return;
    if (!Convert(*member, field)) damaged_ = name;
  }
  void Number(const char* name, double& field) {
    const Json* member = Find(name);
    if (member == nullptr) return;
    if (member->is_number()) {
      field = member->get<double>();
    } else {
      damaged_ = name;
    }
  }
  void Bool(const char* name, bool& field) {
    const Json* member = Find(name);
    if (member == nullptr) return;
    if (member->is_boolean()) {
      field = member->get<bool>();
    } else {
      damaged_ = name;
    }
  }
  void Text(const char* name, std::string& field) {
    const Json* member = Find(name);
    if (member != nullptr && !Convert(*member, field)) damaged_ = name;
  }
  void Texts(const char* name, std::vector<std::string>& field) {
    const Json* member = Find(name);
    if (member == nullptr) return;
    if (!member->is_array()) damaged_ = name;
    for (const Json& element : *member) {
      if (!Convert(element, field.emplace_back())) damaged_ = name;
    }
  }
  void Counts(const char* name, std::map<std::string, uint64_t>& field) {
    const Json* member = Find(name);
    if (member == nullptr) return;
    if (!member->is_array()) damaged_ = name;
    for (const Json& element : *member) {
      std::string key;
      uint64_t count = 0;
      if (!element.is_array() || element.size() != 2 || !Convert(element[0], key) ||
          !Convert(element[1], count)) {
        damaged_ = name;
        return;
      }
      field[key] = count;
    }
  }
  const Json* Find(const char* name) const {
    auto found = object_.find(name);
    return found == object_.end() || found->is_null() ? nullptr : &*found;
  }
  // The name of a member that made no sense; null if all did.
  const char* damaged() const { return damaged_; }

 private:
  template <typename T>
  static bool Convert(const Json& value, T& field) {
    if (!value.is_number_integer()) return false;
    if (value.is_number_unsigned()) {
      uint64_t number = value.get<uint64_t>();
      if (number > static_cast<uint64_t>(std::numeric_limits<T>::max())) return false;
      field = static_cast<T>(number);
      return true;
    }
    int64_t number = value.get<int64_t>();
    if (!std::numeric_limits<T>::is_signed ||
        number < static_cast<int64_t>(std::numeric_limits<T>::min())) {
      return false;
    }
    field = static_cast<T>(number);
    return true;
  }
  static bool Convert(const Json& value, std::string& field) {
    if (value.is_string()) {
      field = value.get<std::string>();
      return true;
    }
    if (!value.is_object() || !value.contains("hex") || !value["hex"].is_string()) return false;
    const auto& hex = value["hex"].get_ref<const std::string&>();
    if (hex.size() % 2 != 0) return false;
    field.clear();
    for (size_t i = 0; i < hex.size(); i += 2) {
      uint8_t byte = 0;
      auto [end, error] = std::from_chars(hex.data() + i, hex.data() + i + 2, byte, 16);
      if (error != std::errc() || end != hex.data() + i + 2) return false;
      field += static_cast<char>(byte);
    }
    return true;
  }

  const Json& object_;
  const char* damaged_ = nullptr;
};

Result<const ArchDescription*> ArchNamed(const std::string& arch, const std::string& name) {
  for (ArchId id : {ArchId::kX86_64, ArchId::kAarch64}) {
    const ArchDescription* description = DescriptionOf(id);
    if (description->name == arch) return description;
  }
  return MakeError("{} is of architecture '{}', which this retake doesn't know", name, arch);
}

}  // namespace

std::string FormatManifest(const TraceManifest& manifest, size_t size) {
  JsonWriter json;
  auto text = [&](std::string_view name, std::string_view value) {
    json.Name(name);
    json.Text(value);
  };
  auto number = [&](std::string_view name, auto value) {
    json.Name(name);
    json.Number(value);
  };
  const ArchDescription* arch = DescriptionOf(manifest.arch);
  number("version", kTraceVersion);
  text("arch", arch == nullptr ? "?" : arch->name);
  text("retake", manifest.retake_version);
  json.Name("command");
  json.Texts(manifest.command);
  text("directory", manifest.directory);
  text("host", manifest.host);
  text("kernel", manifest.kernel);
  number("started", manifest.started);
  number("cpu", manifest.cpu);
  text("cpu_model", manifest.cpu_model);
  json.Name("cpu_features");
  json.Texts(manifest.cpu_features);
  number("portable", manifest.portable);
  number("planted_traps", manifest.planted_traps);
  number("page_size", manifest.page_size);
  number("vector_bytes", manifest.vector_bytes);
  for (const EndName& row : kEndNames) {
    if (row.end == manifest.end) text("end", row.name);
  }
  text("reason", manifest.reason);
  if (manifest.wait_status) number("wait_status", *manifest.wait_status);
  number("events", manifest.events);
  number("tasks", manifest.tasks);
  number("seconds", std::isfinite(manifest.seconds) ? manifest.seconds : 0.0);
  json.Name("unknown_calls");
  json.out() += '[';
  bool first = true;
  for (const auto& [call, count] : manifest.unknown_calls) {
    json.out() += first ? "[" : ", [";
    first = false;
    json.Text(call);
    json.out() += fmt::format(", {}]", count);
  }
  json.out() += "],";
  std::string out = std::move(json.out());
  constexpr size_t kChecksumBytes =
      kChecksumMember.size() + std::string_view("0123456789abcdef\"\n}\n").size();
  if (out.size() + kChecksumBytes < size) out.append(size - out.size() - kChecksumBytes, ' ');
  uint64_t checksum = ChecksumOf(out);
  out += kChecksumMember;
  out += fmt::format("{:016x}\"\n}}\n", checksum);
  return out;
}

bool LooksLikeManifest(std::string_view text) { return text.starts_with(kOpening); }

Result<TraceManifest> ParseManifest(std::string_view text, const std::string& name) {
  Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded() || !json.is_object()) {
    if (LooksLikeManifest(text)) return MakeError("{} is damaged: it is no whole JSON", name);
    return MakeError("{} is not the manifest of a trace", name);
  }
  Members members(json);
  std::string format;
  members.Text("format", format);
  if (format != "retake-trace") return MakeError("{} is not the manifest of a trace", name);
  int version = 0;
  members.Integer("version", version);
  if (version != kTraceVersion) {
    return MakeError(
        "{} is of a trace of version {}; this retake reads version {}: use the retake that "
        "recorded it",
        name, version, kTraceVersion);
  }
  size_t at = text.rfind(kChecksumMember);
  if (at == std::string_view::npos ||
      text.substr(at + kChecksumMember.size()) !=
          fmt::format("{:016x}\"\n}}\n", ChecksumOf(text.substr(0, at)))) {
    return MakeError("{} is damaged: its checksum is wrong", name);
  }

  TraceManifest manifest;
  std::string arch;
  std::string end;
  members.Text("arch", arch);
  manifest.arch = TRY(ArchNamed(arch, name))->id;
  members.Text("retake", manifest.retake_version);
  members.Texts("command", manifest.command);
  members.Text("directory", manifest.directory);
  members.Text("host", manifest.host);
  members.Text("kernel", manifest.kernel);
  members.Integer("started", manifest.started);
  members.Integer("cpu", manifest.cpu);
  members.Text("cpu_model", manifest.cpu_model);
  members.Texts("cpu_features", manifest.cpu_features);
  members.Bool("portable", manifest.portable);
  members.Bool("planted_traps", manifest.planted_traps);
  members.Integer("page_size", manifest.page_size);
  members.Integer("vector_bytes", manifest.vector_bytes);
  members.Text("end", end);
  members.Text("reason", manifest.reason);
  if (members.Find("wait_status") != nullptr) {
    int status = 0;
    members.Integer("wait_status", status);
    manifest.wait_status = status;
  }
  members.Integer("events", manifest.events);
  members.Integer("tasks", manifest.tasks);
  members.Number("seconds", manifest.seconds);
  members.Counts("unknown_calls", manifest.unknown_calls);
  bool known_end = false;
  for (const EndName& row : kEndNames) {
    if (row.name != end) continue;
    manifest.end = row.end;
    known_end = true;
  }
  if (!known_end) return MakeError("{} is damaged: it doesn't say how the trace ended", name);
  if (members.damaged() != nullptr) {
    return MakeError("{} is damaged: '{}' makes no sense", name, members.damaged());
  }
  return manifest;
}

}  // namespace retake
