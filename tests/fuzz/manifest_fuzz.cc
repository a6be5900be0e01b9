// The manifest's parser. The first byte says whether the right checksum is put at the end first.
// What can be parsed is formatted again, and must parse to the same.
#include <string>
#include <string_view>

#include "fuzzing.h"
#include "replay/trace_manifest.h"

namespace retake {
namespace {

// Replaces what stands from the checksum member on by one that is right.
std::string WithChecksum(std::string_view text) {
  constexpr std::string_view kMember = "\n  \"checksum\": \"";
  std::string fixed(text.substr(0, text.rfind(kMember)));
  uint64_t checksum = archive_format::Checksum(AsBytes(fixed), 0);
  return fmt::format("{}{}{:016x}\"\n}}\n", fixed, kMember, checksum);
}

}  // namespace
}  // namespace retake

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace retake;
  if (size == 0) return 0;
  std::string text(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (data[0] % 4 != 0) text = WithChecksum(text);
  Result<TraceManifest> manifest = ParseManifest(text, "fuzz");
  if (!manifest.ok()) return 0;
  std::string formatted = FormatManifest(*manifest);
  Result<TraceManifest> again = ParseManifest(formatted, "again");
  Require(again.ok(), "a formatted manifest can be parsed");
  Require(FormatManifest(*again) == formatted, "a manifest survives a round trip");
  Require(again->command == manifest->command, "a command survives a round trip");
  return 0;
}
