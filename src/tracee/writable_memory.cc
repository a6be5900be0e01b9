#include "tracee/writable_memory.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "arch/hash.h"
#include "stub/layout.h"
#include "tracee/maps.h"
#include "tracee/own_pages.h"

namespace retake {
namespace {

const uint64_t kPageSize = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
constexpr uint64_t kMostBytesAtOnce = 1 << 20;

// A page's part of a digest; nothing for a page of zeros.
uint64_t HashPage(uint64_t address, ByteSpan page) {
  return IsZero(page) ? 0 : HashOf64(page, address);
}

uint32_t BucketPart(uint64_t hash) { return static_cast<uint32_t>(hash >> 32); }

class Visit {
 public:
  Visit(const TaskMemory& memory, const PageChoice& wanted, const PageVisitor& visitor)
      : memory_(memory), wanted_(wanted), visitor_(visitor) {}

  void Pages(const PageRun& range) {
    for (uint64_t at = range.start; at < range.end;) {
      if (!Wanted(at)) {
        at += kPageSize;
        continue;
      }
      uint64_t first = at;
      while (at < range.end && at - first < kMostBytesAtOnce && Wanted(at)) at += kPageSize;
      Read(first, at - first);
    }
  }

 private:
  bool Wanted(uint64_t address) const { return !wanted_ || wanted_(address); }

  void Read(uint64_t address, size_t size) {
    bytes_.resize(size);
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

  const TaskMemory& memory_;
  const PageChoice& wanted_;
  const PageVisitor& visitor_;
  std::vector<uint8_t> bytes_;
};

}  // namespace

Status ForEachWritablePage(pid_t pid, const TaskMemory& memory, const PageChoice& wanted,
                           const PageVisitor& visitor) {
  Visit visit(memory, wanted, visitor);
  auto own_pages = TRY(OwnPages::Of(pid));
  for (const Mapping& mapping : TRY(ReadMappings(pid))) {
    if ((mapping.prot & PROT_WRITE) == 0) continue;
    // The kernel may have joined what is retake's with its neighbours.
    for (const PageRun& part : {PageRun{mapping.start, std::min(mapping.end, kStubAddress)},
                                PageRun{std::max(mapping.start, kReservedEnd), mapping.end}}) {
      if (part.start >= part.end) continue;
      // Of a file and of shared memory, pages that this process hasn't touched count too.
      if (mapping.is_file() || mapping.shared) {
        visit.Pages(part);
      } else {
        for (const PageRun& run : TRY(own_pages.In(part.start, part.end))) visit.Pages(run);
      }
    }
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
