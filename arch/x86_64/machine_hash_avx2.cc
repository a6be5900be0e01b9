// All of this file is compiled for AVX2. It includes nothing that has functions which others would
// share (templates, inline ones): the linker might take these for everybody's.
#include <immintrin.h>

#ifdef __clang__
#pragma clang attribute push(__attribute__((target("avx2"))), apply_to = function)
#else
#pragma GCC target("avx2")
#endif
#define XXH_INLINE_ALL
#define XXH_VECTOR 2  // XXH_AVX2
#include <xxhash.h>

#include "arch/x86_64/hash_avx2.h"

void retake_avx2_hash128(const void* bytes, size_t size, uint64_t* low, uint64_t* high) {
  XXH128_hash_t hash = XXH3_128bits(bytes, size);
  *low = hash.low64;
  *high = hash.high64;
}

uint64_t retake_avx2_hash64(const void* bytes, size_t size, uint64_t seed) {
  return XXH3_64bits_withSeed(bytes, size, seed);
}

uint64_t retake_avx2_hash64_of_two(const void* first, size_t first_size, const void* second,
                                   size_t second_size, uint64_t seed) {
  XXH3_state_t state;
  XXH3_64bits_reset_withSeed(&state, seed);
  XXH3_64bits_update(&state, first, first_size);
  XXH3_64bits_update(&state, second, second_size);
  return XXH3_64bits_digest(&state);
}
#ifdef __clang__
#pragma clang attribute pop
#endif
