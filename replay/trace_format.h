// What a trace is made of on disk: the names in its directory, the kinds of section in `events`,
// and the codec of objects. docs/trace-format.md describes each byte.
#ifndef RETAKE_REPLAY_TRACE_FORMAT_H_
#define RETAKE_REPLAY_TRACE_FORMAT_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "replay/trace.h"

namespace retake {

inline constexpr const char* kManifestName = "manifest";
inline constexpr const char* kEventsName = "events";
inline constexpr const char* kBlobsName = "blobs";

// Sections of `events`. A reader skips kinds that it doesn't know.
enum TraceSection : uint16_t {
  kObjectsSection = 1,  // one or more objects
  kImageSection = 2,    // one image
  kEventsSection = 3,   // one or more events
};

void EncodeObject(const TraceObject& object, ByteWriter& out);
// Fails the reader on damage.
TraceObject DecodeObject(ByteReader& in);

// A blob's name: 32 lower-case hex digits.
bool IsBlobName(std::string_view name);

}  // namespace retake

#endif  // RETAKE_REPLAY_TRACE_FORMAT_H_
