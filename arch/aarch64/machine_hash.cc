#define XXH_STATIC_LINKING_ONLY  // the state on the stack
#include <xxhash.h>

#include "arch/hash.h"

namespace retake {

Hash128 HashOf128(ByteSpan bytes) {
  XXH128_hash_t hash = XXH3_128bits(bytes.data(), bytes.size());
  return {hash.low64, hash.high64};
}

uint64_t HashOf64(ByteSpan bytes, uint64_t seed) {
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}

uint64_t HashOf64(ByteSpan first, ByteSpan second, uint64_t seed) {
  XXH3_state_t state;
  XXH3_64bits_reset_withSeed(&state, seed);
  for (ByteSpan part : {first, second}) XXH3_64bits_update(&state, part.data(), part.size());
  return XXH3_64bits_digest(&state);
}

}  // namespace retake
