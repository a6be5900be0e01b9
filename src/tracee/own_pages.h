// Which pages of a process are its own (present or swapped, and not a file's), as
// /proc/PID/pagemap tells without privilege.
#ifndef RETAKE_TRACEE_OWN_PAGES_H_
#define RETAKE_TRACEE_OWN_PAGES_H_

#include <sys/ioctl.h>
#include <sys/types.h>

#include <cstdint>
#include <vector>

#include "base/fd.h"
#include "base/features.h"
#include "base/result.h"

namespace retake {

// include/uapi/linux/fs.h, Linux 6.7: struct page_region, struct pm_scan_arg and PAGEMAP_SCAN.
struct PagemapRegion {
  uint64_t start, end, categories;
};
struct PagemapScan {
  uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages;
  uint64_t category_inverted, category_mask, category_anyof_mask, return_mask;
};
constexpr unsigned long kPagemapScan = _IOWR('f', 16, PagemapScan);
constexpr uint64_t kPageIsFile = 1 << 2;
constexpr uint64_t kPageIsPresent = 1 << 3;
constexpr uint64_t kPageIsSwapped = 1 << 4;

struct PageRun {
  uint64_t start, end;  // addresses
  friend bool operator==(const PageRun&, const PageRun&) = default;
};

// Adds one behind all others; joins it to the last where it begins at its end.
void AddRun(uint64_t start, uint64_t end, std::vector<PageRun>& runs);

class OwnPages {
 public:
  // While the process stays alive and may be traced by the caller.
  static Result<OwnPages> Of(pid_t pid, bool may_scan = MayUse(Feature::kPagemapScan));

  // Those among [start, end), in order, adjacent ones joined. Takes time by the pages that exist
  // where the kernel has PAGEMAP_SCAN (a sanitizer's shadow is 14 TiB), else by all, about a second
  // a TiB.
  Result<std::vector<PageRun>> In(uint64_t start, uint64_t end) const;
  // Whether there are any.
  Result<bool> AnyIn(uint64_t start, uint64_t end) const;
  // Pages that any access faults at (MADV_GUARD_INSTALL), as far as the kernel tells: from Linux
  // 6.15 on.
  Result<std::vector<PageRun>> GuardsIn(uint64_t start, uint64_t end) const;

 private:
  OwnPages(pid_t pid, Fd file, bool may_scan)
      : pid_(pid), file_(std::move(file)), may_scan_(may_scan) {}
  // Pages of any of these categories, and not a file's; at most `most_pages`, if that isn't 0.
  Result<bool> Scan(uint64_t start, uint64_t end, uint64_t any_of, uint64_t most_pages,
                    std::vector<PageRun>& runs) const;
  Status ReadEntries(uint64_t start, uint64_t end, bool (*wanted)(uint64_t entry),
                     std::vector<PageRun>& runs) const;

  pid_t pid_;
  Fd file_;
  bool may_scan_;
};

}  // namespace retake

#endif  // RETAKE_TRACEE_OWN_PAGES_H_
