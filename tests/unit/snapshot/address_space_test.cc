// Room that nobody has.
#include "snapshot/address_space.h"

#include <gtest/gtest.h>

namespace retake {
namespace {

TEST(AddressSpace, KnowsWhatIsTaken) {
  AddressSpace space;
  EXPECT_TRUE(space.IsFree(0, 1));
  space.Add(0x1000, 0x1000);
  EXPECT_TRUE(space.IsFree(0, 0x1000));
  EXPECT_FALSE(space.IsFree(0, 0x1001));
  EXPECT_FALSE(space.IsFree(0x1800, 1));
  EXPECT_FALSE(space.IsFree(0x1fff, 0x5000));
  EXPECT_TRUE(space.IsFree(0x2000, 0x5000));
}

TEST(AddressSpace, FindsRoomBelowBetweenAndAbove) {
  AddressSpace space;
  uint64_t low = space.FindFree(0x5000);
  EXPECT_EQ(low % 0x10000, 0U);
  // Nothing below: then between, with a distance to what may grow downwards.
  space.Add(low, 0x1234);
  uint64_t stack = low + 0x4000'0000;
  space.Add(stack, 0x1000);
  uint64_t between = space.FindFree(0x5000);
  EXPECT_GT(between, low);
  EXPECT_LT(between + 0x5000 + 0x100'0000, stack);
  EXPECT_TRUE(space.IsFree(between, 0x5000));
  // Too large for that.
  uint64_t above = space.FindFree(0x4000'0000);
  EXPECT_GE(above, stack + 0x1000);
  EXPECT_TRUE(space.IsFree(above, 0x4000'0000));
}

}  // namespace
}  // namespace retake
