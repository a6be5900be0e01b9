// CodeNotes: what was found out about a file of code, by looking through all of it, kept for the
// next process that maps it.
#ifndef RETAKE_TRACEE_CODE_NOTES_H_
#define RETAKE_TRACEE_CODE_NOTES_H_

#include <sys/stat.h>

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "base/bytes.h"

namespace retake {

class CodeNotes {
 public:
  virtual ~CodeNotes() = default;
  // What was kept of the file in this state, about `matter`, by this very build of retake.
  virtual std::optional<std::vector<uint8_t>> Find(const struct stat& status,
                                                   std::string_view matter) const = 0;
  // A note that can't be kept costs the time to find it out again.
  virtual void Keep(const struct stat& status, std::string_view matter, ByteSpan note) = 0;
};

}  // namespace retake

#endif  // RETAKE_TRACEE_CODE_NOTES_H_
