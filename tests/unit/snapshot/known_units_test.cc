#include "snapshot/known_units.h"

#include <gtest/gtest.h>

namespace retake {
namespace {

TEST(KnownUnits, AreFoundAgainHoweverManyThereAre) {
  KnownUnits known;
  constexpr uint32_t kMany = 10'000;
  // Hashes of which many would have the same place.
  auto hash = [](uint32_t i) { return Hash128{i % 7, i}; };
  for (uint32_t i = 0; i < kMany; ++i)
    EXPECT_TRUE(known.TryEmplace(hash(i), {i, i * 2}).second) << i;
  for (uint32_t i = 0; i < kMany; ++i) {
    auto [place, is_new] = known.TryEmplace(hash(i), {0, 0});
    EXPECT_FALSE(is_new);
    EXPECT_EQ(place.block, i);
    EXPECT_EQ(place.offset, i * 2);
  }
}

}  // namespace
}  // namespace retake
