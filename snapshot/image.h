// Image: one process's whole state at one instant, as a trace or a checkpoint holds it.
//
// Mappings come with what they hold (zero pages, a blob, a shared object); `pages` holds every page
// whose content differs from that. Restored, the two together are the process's memory, bit for
// bit.
#ifndef RETAKE_SNAPSHOT_IMAGE_H_
#define RETAKE_SNAPSHOT_IMAGE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "arch/arch.h"
#include "base/bytes.h"

namespace retake {

struct ImageMapping {
  enum class Kind : uint8_t { kAnonymous = 1, kBlob, kShared };
  uint64_t address = 0;
  uint64_t size = 0;  // whole pages
  uint32_t prot = 0;  // PROT_*
  bool grows_down = false;
  Kind kind = Kind::kAnonymous;
  uint32_t object = 0;  // index into the trace's objects (kBlob, kShared)
  uint64_t offset = 0;  // into the object, bytes
  std::string name;     // as /proc/PID/maps showed it; for people, and to find symbols
  bool operator==(const ImageMapping&) const = default;
};

// Contents that differ from what the mapping holds: bytes [offset, offset + size) of Image::data at
// `address`.
struct ImagePages {
  uint64_t address = 0;
  uint64_t offset = 0;
  uint64_t size = 0;
  bool operator==(const ImagePages&) const = default;
};

struct Image {
  Registers registers;
  std::vector<uint8_t> vector_state;
  std::vector<ImageMapping> mappings;  // ascending, disjoint
  std::vector<ImagePages> pages;
  std::vector<uint8_t> data;
  uint64_t brk_start = 0;
  uint64_t stack_limit = 0;  // RLIMIT_STACK, soft, bytes
  std::string executable;
  std::vector<std::string> arguments;
  bool operator==(const Image&) const = default;
};

void EncodeImage(const Image& image, const ArchDescription& arch, ByteWriter& out);
Result<Image> DecodeImage(ByteSpan bytes, const ArchDescription& arch);

}  // namespace retake

#endif  // RETAKE_SNAPSHOT_IMAGE_H_
