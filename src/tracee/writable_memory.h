// All that a process can write and that holds anything: the memory that its future depends on,
// besides its registers and what files hold.
//
// Pages of the process's own are visited if they exist; pages of files and of shared memory always,
// since which of them happen to be in memory is the kernel's business. The stub is left out. So
// equal memory is visited alike in record and in replay but for pages of zeros, which may exist in
// the one and not in the other; a digest doesn't count those.
#ifndef RETAKE_TRACEE_WRITABLE_MEMORY_H_
#define RETAKE_TRACEE_WRITABLE_MEMORY_H_

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <functional>

#include "base/bytes.h"
#include "base/result.h"
#include "tracee/memory.h"

namespace retake {

// Calls `visit(address, bytes)` for each page, in no promised order.
using PageVisitor = std::function<void(uint64_t address, ByteSpan bytes)>;
Status ForEachWritablePage(pid_t pid, const TaskMemory& memory, const PageVisitor& visit);
// Those pages only that `wanted(address)` says.
using PageChoice = std::function<bool(uint64_t address)>;
Status ForEachWritablePage(pid_t pid, const TaskMemory& memory, const PageChoice& wanted,
                           const PageVisitor& visit);

// A hash of that memory, and hashes of its parts: each page belongs to one of kBuckets. Where two
// memories differ, the parts tell where to look at first next time.
struct MemoryDigest {
  static constexpr size_t kBuckets = 32;
  static size_t BucketOf(uint64_t address) {
    return (address >> 12 ^ address >> 17) & (kBuckets - 1);
  }

  uint64_t total = 0;
  std::array<uint32_t, kBuckets> buckets{};
  bool operator==(const MemoryDigest&) const = default;
};

Result<MemoryDigest> DigestWritableMemory(pid_t pid, const TaskMemory& memory);
// One of its buckets, without reading the pages of the others.
Result<uint32_t> DigestBucket(pid_t pid, const TaskMemory& memory, size_t bucket);

}  // namespace retake

#endif  // RETAKE_TRACEE_WRITABLE_MEMORY_H_
