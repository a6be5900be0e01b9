#include "tracee/own_pages.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace retake {
namespace {

const uint64_t kPageSize = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
constexpr size_t kRegionsAtOnce = 256;
constexpr size_t kEntriesAtOnce = 1 << 16;

// Documentation/admin-guide/mm/pagemap.rst: bit 63 present, 62 swapped, 61 file-backed or shared.
bool IsOwn(uint64_t entry) { return (entry >> 62 & 3) != 0 && (entry >> 61 & 1) == 0; }

// Bit 58, Linux 6.15.
bool IsGuard(uint64_t entry) { return (entry >> 58 & 1) != 0 && (entry >> 62 & 3) == 1; }

}  // namespace

void AddRun(uint64_t start, uint64_t end, std::vector<PageRun>& runs) {
  if (!runs.empty() && runs.back().end == start) {
    runs.back().end = end;
  } else {
    runs.push_back({start, end});
  }
}

Result<OwnPages> OwnPages::Of(pid_t pid, bool may_scan) {
  std::string path = fmt::format("/proc/{}/pagemap", pid);
  Fd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return ErrnoError("can't open {}", path);
  return OwnPages(pid, std::move(file), may_scan);
}

Result<std::vector<PageRun>> OwnPages::In(uint64_t start, uint64_t end) const {
  std::vector<PageRun> runs;
  if (!TRY(Scan(start, end, kPageIsPresent | kPageIsSwapped, 0, runs)))
    TRY(ReadEntries(start, end, IsOwn, runs));
  return runs;
}

Result<bool> OwnPages::AnyIn(uint64_t start, uint64_t end) const {
  std::vector<PageRun> runs;
  if (!TRY(Scan(start, end, kPageIsPresent | kPageIsSwapped, 1, runs)))
    TRY(ReadEntries(start, end, IsOwn, runs));
  return !runs.empty();
}

Result<std::vector<PageRun>> OwnPages::GuardsIn(uint64_t start, uint64_t end) const {
  std::vector<PageRun> candidates, guards;
  // To a scan they look like swapped pages.
  if (!TRY(Scan(start, end, kPageIsSwapped, 0, candidates))) candidates = {{start, end}};
  for (const PageRun& run : candidates) TRY(ReadEntries(run.start, run.end, IsGuard, guards));
  return guards;
}

// False if the kernel hasn't got the request.
Result<bool> OwnPages::Scan(uint64_t start, uint64_t end, uint64_t any_of, uint64_t most_pages,
                            std::vector<PageRun>& runs) const {
  if (!may_scan_) return false;
  std::array<PagemapRegion, kRegionsAtOnce> regions;
  while (start < end) {
    PagemapScan scan = {.size = sizeof scan,
                        .start = start,
                        .end = end,
                        .vec = reinterpret_cast<uintptr_t>(regions.data()),
                        .vec_len = regions.size(),
                        .max_pages = most_pages,
                        .category_inverted = kPageIsFile,
                        .category_mask = kPageIsFile,
                        .category_anyof_mask = any_of,
                        .return_mask = kPageIsFile};
    int found = ioctl(file_.get(), kPagemapScan, &scan);
    if (found < 0 && errno == EINTR) continue;
    if (found < 0 && errno == ENOTTY && runs.empty()) return false;
    if (found < 0) return ErrnoError("can't scan /proc/{}/pagemap", pid_);
    for (int i = 0; i < found; ++i) AddRun(regions[i].start, regions[i].end, runs);
    start = scan.walk_end;
    if (most_pages != 0 && !runs.empty()) break;
  }
  return true;
}

Status OwnPages::ReadEntries(uint64_t start, uint64_t end, bool (*wanted)(uint64_t entry),
                             std::vector<PageRun>& runs) const {
  std::vector<uint64_t> entries;
  while (start < end) {
    entries.resize(std::min<uint64_t>((end - start) / kPageSize, kEntriesAtOnce));
    ssize_t got = pread(file_.get(), entries.data(), entries.size() * sizeof(uint64_t),
                        static_cast<off_t>(start / kPageSize * sizeof(uint64_t)));
    if (got < 0) return ErrnoError("can't read /proc/{}/pagemap", pid_);
    entries.resize(static_cast<size_t>(got) / sizeof(uint64_t));
    // Nothing lies behind the end of the address space.
    if (entries.empty()) return {};
    for (uint64_t entry : entries) {
      if (wanted(entry)) AddRun(start, start + kPageSize, runs);
      start += kPageSize;
    }
  }
  return {};
}

}  // namespace retake
