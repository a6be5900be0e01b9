// XXH3 by AVX2: Debian's static libxxhash has it by SSE2 only.
#ifndef RETAKE_ARCH_X86_64_HASH_AVX2_H_
#define RETAKE_ARCH_X86_64_HASH_AVX2_H_

#include <stddef.h>
#include <stdint.h>

extern "C" {
void retake_avx2_hash128(const void* bytes, size_t size, uint64_t* low, uint64_t* high);
uint64_t retake_avx2_hash64(const void* bytes, size_t size, uint64_t seed);
uint64_t retake_avx2_hash64_of_two(const void* first, size_t first_size, const void* second,
                                   size_t second_size, uint64_t seed);
}

#endif  // RETAKE_ARCH_X86_64_HASH_AVX2_H_
