// Fewer and fewer looks where none finds anything; all of them again once one does.
#include "supervisor/futile_looks.h"

#include <gtest/gtest.h>

namespace retake {
namespace {

// How many are left out before the next one.
int LeftOut(FutileLooks& looks, uint64_t pc) {
  int count = 0;
  while (looks.LeaveOut(pc)) ++count;
  return count;
}

TEST(FutileLooks, MoreAreLeftOutEachTime) {
  FutileLooks looks;
  EXPECT_EQ(LeftOut(looks, 0x1000), 0);
  for (int expected : {1, 3, 7, 15, 15}) {
    looks.Note(0x1000);
    EXPECT_EQ(LeftOut(looks, 0x1fff), expected);
  }
  EXPECT_EQ(LeftOut(looks, 0x10'0000), 0) << "elsewhere";
  looks.Forget();
  EXPECT_EQ(LeftOut(looks, 0x1000), 0);
  looks.Note(0x1000);
  EXPECT_EQ(LeftOut(looks, 0x1000), 1);
}

TEST(FutileLooks, ManyPlacesDontGrowWithoutEnd) {
  FutileLooks looks;
  for (uint64_t i = 0; i < 100'000; ++i) looks.Note(i << 20);
  EXPECT_EQ(LeftOut(looks, 0), 0);
  EXPECT_EQ(LeftOut(looks, uint64_t{99'999} << 20), 1);
}

}  // namespace
}  // namespace retake
