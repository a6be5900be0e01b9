#include "snapshot/write_range.h"

#include <unistd.h>

#include <algorithm>

namespace retake {
namespace {

const uint64_t kPageSize = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
constexpr uint64_t kReadAtOnce = 1 << 20;

}  // namespace

Status WriteRange(const TaskMemory& source, const PageRun& run, bool skip_zeros,
                  CheckpointWriter& writer, std::vector<PageRange>& pages,
                  std::vector<PageRun>& unreadable) {
  static thread_local std::vector<uint8_t> buffer;
  for (uint64_t start = run.start; start < run.end;) {
    buffer.resize(std::min(run.end - start, kReadAtOnce));
    size_t got = source.ReadSome(start, buffer.data(), buffer.size());
    got -= got % kPageSize;
    TRY(writer.AddPages(start, ByteSpan(buffer).first(got), skip_zeros, pages));
    start += got;
    if (got == buffer.size()) continue;
    if (unreadable.empty() || unreadable.back().end != start) unreadable.push_back({start, start});
    start += kPageSize;
    unreadable.back().end = start;
  }
  return {};
}

}  // namespace retake
