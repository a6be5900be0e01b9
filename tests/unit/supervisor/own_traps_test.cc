// A tracer thread whose time-stamp counter traps must still have time and counter.
#include "supervisor/own_traps.h"

#include <gtest/gtest.h>

#include <thread>

#include "base/clock.h"

namespace retake {
namespace {

TEST(OwnTimestampTrap, TimeAndCounterAreToBeHad) {
  uint64_t before = HostTimestamp();
  int64_t began = MonotonicNanoseconds();
  {
    OwnTimestampTrap trap;
    uint64_t first = HostTimestamp();
    uint64_t second = HostTimestamp();
    EXPECT_GT(first, before);
    EXPECT_GT(second, first);
    int64_t now = MonotonicNanoseconds();
    EXPECT_GT(now, began);
    // Within two of the coarse clock's ticks.
    EXPECT_NEAR(static_cast<double>(MonotonicCoarseNanoseconds()), static_cast<double>(now), 25e6);
  }
  // And without a trap again, by the instruction itself.
  EXPECT_GT(machine::ReadTimestamp(), before);
}

TEST(OwnTimestampTrap, ThreadsThatInheritItLeaveIt) {
  uint64_t seen = 0;
  {
    OwnTimestampTrap trap;
    std::thread([&] {
      OwnTimestampTrap::LeaveInherited();
      seen = machine::ReadTimestamp();
    }).join();
    EXPECT_GT(HostTimestamp(), seen);
  }
  EXPECT_GT(seen, 0U);
}

TEST(OwnTimestampTrapDeathTest, ItTraps) {
  if (!machine::TimestampSwitchIsDear()) return;  // then it is left off
  EXPECT_EXIT(
      {
        OwnTimestampTrap trap;
        (void)machine::ReadTimestamp();
      },
      testing::KilledBySignal(SIGSEGV), "");
}

}  // namespace
}  // namespace retake
