#include "replay/page_copies.h"

#include <sys/mman.h>
#include <unistd.h>
#include <xxhash.h>

#include <algorithm>
#include <cstring>

#include "snapshot/capture.h"
#include "stub/layout.h"
#include "tracee/maps.h"

namespace retake {
namespace {

const uint64_t kPageSize = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));

// Calls `visit(address, bytes)` for each page of the process's writable memory that may hold
// something.
template <typename Visit>
Status ForEachWritablePage(pid_t pid, const TaskMemory& memory, const Visit& visit) {
  std::vector<uint8_t> bytes;
  for (const Mapping& mapping : TRY(ReadMappings(pid))) {
    if ((mapping.prot & PROT_WRITE) == 0 || TouchesStub(mapping.start, mapping.size())) continue;
    auto states = TRY(ReadPageStates(pid, mapping.start, mapping.end));
    for (size_t i = 0; i < states.size();) {
      // Of a file all pages count, there or not: which of them happen to be in memory is the
      // kernel's business.
      auto counts = [&](size_t at) {
        return mapping.is_file() || mapping.shared || states[at] == PageState::kOwn;
      };
      if (!counts(i)) {
        ++i;
        continue;
      }
      size_t first = i;
      while (i < states.size() && counts(i) && i - first < 256) ++i;
      uint64_t start = mapping.start + first * kPageSize;
      bytes.resize((i - first) * kPageSize);
      size_t got = memory.ReadSome(start, bytes.data(), bytes.size());
      for (size_t at = 0; at + kPageSize <= got; at += kPageSize) {
        visit(start + at, ByteSpan(bytes).subspan(at, kPageSize));
      }
    }
  }
  return {};
}

}  // namespace

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
  uint64_t sum = 0;
  TRY(ForEachWritablePage(pid, memory, [&](uint64_t address, ByteSpan page) {
    bool zero = page[0] == 0 && memcmp(page.data(), page.data() + 1, page.size() - 1) == 0;
    // A sum, so that the order of mappings and their splits don't matter.
    if (!zero) sum += XXH3_64bits_withSeed(page.data(), page.size(), address);
  }));
  return sum == 0 ? 1 : sum;
}

}  // namespace retake
