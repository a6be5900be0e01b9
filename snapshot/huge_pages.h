// Memory of hugetlbfs: its pages have sizes of their own, and are there only as far as the machine
// has set some aside.
#ifndef RETAKE_SNAPSHOT_HUGE_PAGES_H_
#define RETAKE_SNAPSHOT_HUGE_PAGES_H_

#include <stdint.h>

#include "base/result.h"
#include "snapshot/checkpoint_file.h"
#include "snapshot/checkpoint_image.h"

namespace retake {

// What asks mmap(2) and memfd_create(2) for pages of `size` bytes, a power of two, beside
// MAP_HUGETLB and MFD_HUGETLB.
uint64_t HugePageFlags(uint64_t size);

// Writes the pages of an object to `fd`, a file of hugetlbfs: which can be mapped, not written to.
Status FillHugePages(CheckpointReader& checkpoint, const SharedObject& object, int fd);

}  // namespace retake

#endif  // RETAKE_SNAPSHOT_HUGE_PAGES_H_
