#define XXH_STATIC_LINKING_ONLY  // the state on the stack
#include <xxhash.h>

#include "arch/hash.h"
#include "arch/x86_64/hash_avx2.h"

namespace retake {
namespace {

// Short ones have no use for vectors.
constexpr size_t kLong = 256;

bool Wide(ByteSpan bytes) {
  static const bool has_it = __builtin_cpu_supports("avx2") != 0;
  return has_it && bytes.size() > kLong;
}

}  // namespace

Hash128 HashOf128(ByteSpan bytes) {
  if (Wide(bytes)) {
    Hash128 hash;
    retake_avx2_hash128(bytes.data(), bytes.size(), &hash.low, &hash.high);
    return hash;
  }
  XXH128_hash_t hash = XXH3_128bits(bytes.data(), bytes.size());
  return {hash.low64, hash.high64};
}

uint64_t HashOf64(ByteSpan bytes, uint64_t seed) {
  return Wide(bytes) ? retake_avx2_hash64(bytes.data(), bytes.size(), seed)
                     : XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}

uint64_t HashOf64(ByteSpan first, ByteSpan second, uint64_t seed) {
  if (Wide(second)) {
    return retake_avx2_hash64_of_two(first.data(), first.size(), second.data(), second.size(),
                                     seed);
  }
  XXH3_state_t state;
  XXH3_64bits_reset_withSeed(&state, seed);
  for (ByteSpan part : {first, second}) XXH3_64bits_update(&state, part.data(), part.size());
  return XXH3_64bits_digest(&state);
}

}  // namespace retake
