// The manifest of a trace as text: JSON that people can read, its last member a checksum of all
// that stands before it.
#ifndef RETAKE_REPLAY_TRACE_MANIFEST_H_
#define RETAKE_REPLAY_TRACE_MANIFEST_H_

#include <string>
#include <string_view>

#include "base/result.h"
#include "replay/trace.h"

namespace retake {

// The most that a manifest may hold, in bytes: an argument list is 2 MiB at most, escaped six-fold.
inline constexpr uint64_t kMaxManifestBytes = 16 << 20;

// What a manifest is filled up to with blanks, so that the one of a recording's end can be written
// over that of its start: within a page, so that no kill comes in between.
inline constexpr size_t kManifestBytes = 4096;

// Shorter text is filled up to `size` bytes.
std::string FormatManifest(const TraceManifest& manifest, size_t size = 0);

// `name` is for messages. Unknown members are skipped; another version, an unknown architecture,
// and damage are errors, each a sentence.
Result<TraceManifest> ParseManifest(std::string_view text, const std::string& name);

// Whether the text begins as a manifest does, damaged or not.
bool LooksLikeManifest(std::string_view text);

}  // namespace retake

#endif  // RETAKE_REPLAY_TRACE_MANIFEST_H_
