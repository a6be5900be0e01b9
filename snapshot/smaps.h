// The mappings of a process with all that /proc/PID/smaps tells of each.
#ifndef RETAKE_SNAPSHOT_SMAPS_H_
#define RETAKE_SNAPSHOT_SMAPS_H_

#include <string_view>
#include <vector>

#include "tracee/maps.h"

namespace retake {

struct MappingDetails {
  Mapping mapping;
  uint64_t flags = 0;  // RegionFlag of snapshot/checkpoint_image.h
  uint32_t protection_key = 0;
  uint64_t page_size = 0;  // bytes
  std::string
      unknown_flags;  // mnemonics that this retake doesn't know, each with a space before it
};

Result<std::vector<MappingDetails>> ReadSmaps(pid_t pid);
// Parses the text of a smaps file.
Result<std::vector<MappingDetails>> ParseSmaps(std::string_view text);

}  // namespace retake

#endif  // RETAKE_SNAPSHOT_SMAPS_H_
