#include "replay/page_copies.h"

#include <algorithm>
#include <cstring>

#include "tracee/writable_memory.h"

namespace retake {

Result<PageCopies> PageCopies::Take(pid_t pid, const TaskMemory& memory) {
  PageCopies copies;
  TRY(ForEachWritablePage(pid, memory, [&](uint64_t address, ByteSpan page) {
    copies.pages_.emplace(address, std::vector<uint8_t>(page.begin(), page.end()));
  }));
  return copies;
}

Status PageCopies::AddDifferences(pid_t pid, const TaskMemory& memory, Event& event) const {
  return ForEachWritablePage(pid, memory, [&](uint64_t address, ByteSpan page) {
    auto before = pages_.find(address);
    size_t first = 0;
    size_t last = page.size();
    if (before != pages_.end()) {
      const std::vector<uint8_t>& old = before->second;
      if (memcmp(old.data(), page.data(), page.size()) == 0) return;
      while (old[first] == page[first]) ++first;
      while (old[last - 1] == page[last - 1]) --last;
    }
    std::span<uint8_t> out = event.AddWrite(address + first, last - first);
    std::copy(page.begin() + static_cast<ptrdiff_t>(first),
              page.begin() + static_cast<ptrdiff_t>(last), out.begin());
  });
}

Result<uint64_t> HashWritableMemory(pid_t pid, const TaskMemory& memory) {
  MemoryDigest digest = TRY(DigestWritableMemory(pid, memory));
  return digest.total == 0 ? 1 : digest.total;
}

}  // namespace retake
