#include "snapshot/write_range.h"

#include <unistd.h>

#include <algorithm>

namespace retake {
namespace {

const uint64_t kPageSize = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
constexpr uint64_t kReadAtOnce = 1 << 20;

}  // namespace

Status WriteRange(const TaskMemory& source, uint64_t start, uint64_t end, bool skip_zeros,
                  CheckpointWriter& writer, std::vector<PageRange>& pages) {
  static thread_local std::vector<uint8_t> buffer;
  while (start < end) {
    buffer.resize(std::min(end - start, kReadAtOnce));
    size_t got = source.ReadSome(start, buffer.data(), buffer.size());
    got -= got % kPageSize;
    TRY(writer.AddPages(start, ByteSpan(buffer).first(got), skip_zeros, pages));
    start += got;
    if (got < buffer.size()) start += kPageSize;
  }
  return {};
}

}  // namespace retake
