#include "arch/hash.h"

#include <gtest/gtest.h>
#include <xxhash.h>

#include <random>

namespace retake {
namespace {

// What one machine writes another checks, whatever vectors each has.
TEST(Hash, IsTheLibrarysForEveryLength) {
  std::vector<uint8_t> bytes(70'000);
  std::mt19937 random(1);
  for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random());
  for (size_t size = 0; size <= bytes.size(); size += size < 2'000 ? 1 : 1'009) {
    ByteSpan part(bytes.data() + size % 3, std::min(size, bytes.size() - 3));
    XXH128_hash_t wide = XXH3_128bits(part.data(), part.size());
    ASSERT_EQ(HashOf128(part), (Hash128{wide.low64, wide.high64})) << size;
    ASSERT_EQ(HashOf64(part), XXH3_64bits(part.data(), part.size())) << size;
    ASSERT_EQ(HashOf64(part.first(part.size() / 3), part.subspan(part.size() / 3), size),
              XXH3_64bits_withSeed(part.data(), part.size(), size))
        << size;
    ASSERT_EQ(HashOf64(part, size + 1), XXH3_64bits_withSeed(part.data(), part.size(), size + 1))
        << size;
  }
}

}  // namespace
}  // namespace retake
