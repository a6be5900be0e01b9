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

// A page's part of a digest; nothing for a page of zeros.
uint64_t HashPage(uint64_t address, ByteSpan page) {
  bool zero = page[0] == 0 && memcmp(page.data(), page.data() + 1, page.size() - 1) == 0;
  return zero ? 0 : XXH3_64bits_withSeed(page.data(), page.size(), address);
}

uint32_t BucketPart(uint64_t hash) { return static_cast<uint32_t>(hash >> 32); }

class Visit {
 public:
  Visit(pid_t pid, const TaskMemory& memory, const PageChoice& wanted, const PageVisitor& visitor)
      : pid_(pid), memory_(memory), wanted_(wanted), visitor_(visitor) {}

  // `all`: pages that don't exist count too.
  Status Range(uint64_t start, uint64_t end, bool all) {
    if (start >= end) return {};
    std::vector<PageState> states;
    if (!all) states = TRY(ReadPageStates(pid_, start, end));
    size_t count = (end - start) / kPageSize;
    auto counts = [&](size_t at) {
      return (all || states[at] == PageState::kOwn) &&
             (!wanted_ || wanted_(start + at * kPageSize));
    };
    for (size_t i = 0; i < count;) {
      if (!counts(i)) {
        ++i;
        continue;
      }
      size_t first = i;
      while (i < count && i - first < kMostPagesAtOnce && counts(i)) ++i;
      Pages(start + first * kPageSize, i - first);
    }
    return {};
  }

 private:
  void Pages(uint64_t address, size_t count) {
    bytes_.resize(count * kPageSize);
    for (size_t done = 0; done < bytes_.size();) {
      size_t got = memory_.ReadSome(address + done, bytes_.data() + done, bytes_.size() - done);
      got -= got % kPageSize;
      for (size_t at = done; at < done + got; at += kPageSize) {
        visitor_(address + at, ByteSpan(bytes_).subspan(at, kPageSize));
      }
      done += got;
      // A page that can't be read (behind the end of a file) can't be written either.
      if (done < bytes_.size()) done += kPageSize;
    }
  }

  pid_t pid_;
  const TaskMemory& memory_;
  const PageChoice& wanted_;
  const PageVisitor& visitor_;
  std::vector<uint8_t> bytes_;
};

}  // namespace

Status ForEachWritablePage(pid_t pid, const TaskMemory& memory, const PageChoice& wanted,
                           const PageVisitor& visit) {
  Visit visits(pid, memory, wanted, visit);
  for (const Mapping& mapping : TRY(ReadMappings(pid))) {
    if ((mapping.prot & PROT_WRITE) == 0) continue;
    bool all = mapping.is_file() || mapping.shared;
    // The kernel may have joined what is retake's with its neighbours.
    TRY(visits.Range(mapping.start, std::min(mapping.end, kStubAddress), all));
    TRY(visits.Range(std::max(mapping.start, kReservedEnd), mapping.end, all));
  }
  return {};
}

Status ForEachWritablePage(pid_t pid, const TaskMemory& memory, const PageVisitor& visit) {
  return ForEachWritablePage(pid, memory, PageChoice(), visit);
}

Result<MemoryDigest> DigestWritableMemory(pid_t pid, const TaskMemory& memory) {
  MemoryDigest digest;
  TRY(ForEachWritablePage(pid, memory, [&](uint64_t address, ByteSpan page) {
    // Sums, so that the order of mappings and their splits don't matter.
    uint64_t hash = HashPage(address, page);
    digest.total += hash;
    digest.buckets[MemoryDigest::BucketOf(address)] += BucketPart(hash);
  }));
  return digest;
}

Result<uint32_t> DigestBucket(pid_t pid, const TaskMemory& memory, size_t bucket) {
  uint32_t sum = 0;
  TRY(ForEachWritablePage(
      pid, memory, [&](uint64_t address) { return MemoryDigest::BucketOf(address) == bucket; },
      [&](uint64_t address, ByteSpan page) { sum += BucketPart(HashPage(address, page)); }));
  return sum;
}

}  // namespace retake
