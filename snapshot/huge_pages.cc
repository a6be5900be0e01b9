#include "snapshot/huge_pages.h"

#include <linux/mman.h>
#include <sys/mman.h>

#include <algorithm>
#include <bit>

namespace retake {

uint64_t HugePageFlags(uint64_t size) {
  return static_cast<uint64_t>(std::countr_zero(size)) << MAP_HUGE_SHIFT;
}

Status FillHugePages(CheckpointReader& checkpoint, const SharedObject& object, int fd) {
  const uint64_t huge = object.huge_page_size;
  for (const PageRange& range : object.pages) {
    if (range.block == kZeroBlock) continue;
    ByteSpan bytes = TRY(checkpoint.Bytes(range));
    // Only what is needed, since a mapping sets aside what it shows.
    uint64_t start = range.start / huge * huge;
    uint64_t end = std::min((range.start + bytes.size() + huge - 1) / huge * huge, object.size);
    if (end < range.start + bytes.size())
      return MakeError("the checkpoint is damaged: {} has pages behind its end", object.name);
    void* shown = mmap(nullptr, end - start, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd,
                       static_cast<off_t>(start));
    if (shown == MAP_FAILED) {
      return ErrnoError(
          "can't make {} of huge pages of {} bytes, of which too few are set aside "
          "(vm.nr_hugepages)",
          object.name, huge);
    }
    std::ranges::copy(bytes, static_cast<uint8_t*>(shown) + (range.start - start));
    munmap(shown, end - start);
  }
  return {};
}

}  // namespace retake
