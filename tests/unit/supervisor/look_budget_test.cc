// Looks that find nothing take a tenth of the time; all may be taken again once one finds
// something.
#include "supervisor/look_budget.h"

#include <gtest/gtest.h>

namespace retake {
namespace {

TEST(LookBudget, ATenthOfTheTime) {
  LookBudget budget;
  int64_t spent = 0;
  for (int64_t now = 1'000; now < 1'000'000; ++now) {
    if (!budget.MayTake(1, now)) continue;
    budget.Spend(1, now, now + 500);
    spent += 500;
    now += 500;
  }
  EXPECT_GT(spent, 90'000);
  EXPECT_LE(spent, 100'000 + 500);
}

TEST(LookBudget, KindsHaveTheirOwn) {
  LookBudget budget;
  budget.Spend(0, 1'000, 2'000);
  EXPECT_FALSE(budget.MayTake(0, 2'000));
  EXPECT_TRUE(budget.MayTake(1, 2'000));
  budget.Spend(1, 2'000, 3'000);
  EXPECT_FALSE(budget.MayTake(1, 3'000));
  budget.Refill();
  EXPECT_TRUE(budget.MayTake(0, 3'000));
  EXPECT_TRUE(budget.MayTake(1, 3'000));
}

}  // namespace
}  // namespace retake
