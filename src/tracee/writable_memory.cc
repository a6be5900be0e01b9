#include "tracee/writable_memory.h"

#include <sys/mman.h>
#include <unistd.h>
#include <xxhash.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "stub/layout.h"
#include "tracee/maps.h"
#include "tracee/page_states.h"

namespace retake {
namespace {

const uint64_t kPageSize = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
constexpr size_t kMostPagesAtOnce = 256;

Status VisitRange(pid_t pid, const TaskMemory& memory, uint64_t start, uint64_t end, bool all,
                  std::vector<uint8_t>& bytes, const PageVisitor& visit) {
  if (start >= end) return {};
  std::vector<PageState> states;
  if (!all) states = TRY(ReadPageStates(pid, start, end));
  size_t count = (end - start) / kPageSize;
  auto counts = [&](size_t at) { return all || states[at] == PageState::kOwn; };
  for (size_t i = 0; i < count;) {
    if (!counts(i)) {
      ++i;
      continue;
    }
    size_t first = i;
    while (i < count && counts(i) && i - first < kMostPagesAtOnce) ++i;
    uint64_t address = start + first * kPageSize;
    bytes.resize((i - first) * kPageSize);
    for (size_t done = 0; done < bytes.size();) {
      size_t got = memory.ReadSome(address + done, bytes.data() + done, bytes.size() - done);
      got -= got % kPageSize;
      for (size_t at = done; at < done + got; at += kPageSize) {
        visit(address + at, ByteSpan(bytes).subspan(at, kPageSize));
      }
      done += got;
      // A page that can't be read (behind the end of a file) can't be written either.
      if (done < bytes.size()) done += kPageSize;
    }
  }
  return {};
}

}  // namespace

Status ForEachWritablePage(pid_t pid, const TaskMemory& memory, const PageVisitor& visit) {
  std::vector<uint8_t> bytes;
  for (const Mapping& mapping : TRY(ReadMappings(pid))) {
    if ((mapping.prot & PROT_WRITE) == 0) continue;
    bool all = mapping.is_file() || mapping.shared;
    // The kernel may have joined what is retake's with its neighbours.
    TRY(VisitRange(pid, memory, mapping.start, std::min(mapping.end, kStubAddress), all, bytes,
                   visit));
    TRY(VisitRange(pid, memory, std::max(mapping.start, kReservedEnd), mapping.end, all, bytes,
                   visit));
  }
  return {};
}

Result<MemoryDigest> DigestWritableMemory(pid_t pid, const TaskMemory& memory) {
  MemoryDigest digest;
  TRY(ForEachWritablePage(pid, memory, [&](uint64_t address, ByteSpan page) {
    bool zero = page[0] == 0 && memcmp(page.data(), page.data() + 1, page.size() - 1) == 0;
    if (zero) return;
    // Sums, so that the order of mappings and their splits don't matter.
    uint64_t hash = XXH3_64bits_withSeed(page.data(), page.size(), address);
    digest.total += hash;
    digest.buckets[MemoryDigest::BucketOf(address)] += static_cast<uint32_t>(hash >> 32);
  }));
  return digest;
}

}  // namespace retake
