// XXH3, by the widest vectors that the CPU has: pages are hashed by the gigabyte.
#ifndef RETAKE_ARCH_HASH_H_
#define RETAKE_ARCH_HASH_H_

#include <cstdint>

#include "base/bytes.h"

namespace retake {

// Two that differ in their bytes are taken for one as often as their hashes meet: never.
struct Hash128 {
  uint64_t low = 0, high = 0;
  bool operator==(const Hash128&) const = default;
};

Hash128 HashOf128(ByteSpan bytes);
uint64_t HashOf64(ByteSpan bytes, uint64_t seed = 0);
// That of the one with the other behind it.
uint64_t HashOf64(ByteSpan first, ByteSpan second, uint64_t seed);

}  // namespace retake

#endif  // RETAKE_ARCH_HASH_H_
