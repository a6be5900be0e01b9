#include "snapshot/machine_clocks.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "base/clock.h"

namespace retake {
namespace {

constexpr int64_t kSecond = 1'000'000'000;
constexpr int64_t kYear = 365 * 86'400 * kSecond;
constexpr int64_t kBit = kSecond / 2;  // between two looks at a clock

// Taken by this process of itself.
CheckpointImage TakeNow() {
  CheckpointImage image;
  image.taken_at = ClockNanoseconds(CLOCK_REALTIME);
  image.monotonic_at = ClockNanoseconds(CLOCK_MONOTONIC);
  image.boottime_at = ClockNanoseconds(CLOCK_BOOTTIME);
  pid_t own = getpid();
  CaptureClocks(own, {&own, 1}, image);
  EXPECT_TRUE(image.losses.empty());
  return image;
}

TEST(MachineClocks, StayOnTheSameRunOfTheMachine) {
  CheckpointImage image = TakeNow();
  EXPECT_FALSE(image.boot.empty());
  EXPECT_EQ(WantedShift(image), image.clock_shift);
  // However long ago.
  image.taken_at -= kYear;
  EXPECT_EQ(WantedShift(image), image.clock_shift);
}

TEST(MachineClocks, GoOnAfterAnotherRun) {
  CheckpointImage image = TakeNow();
  const ClockShift own = image.clock_shift;
  image.boot = "another";
  image.monotonic_at += 3 * kYear;
  image.boottime_at += 4 * kYear;
  ClockShift wanted = WantedShift(image);
  EXPECT_NEAR(static_cast<double>(wanted.monotonic - own.monotonic), 3.0 * kYear, kBit);
  EXPECT_NEAR(static_cast<double>(wanted.boottime - own.boottime), 4.0 * kYear, kBit);
  // What has passed since counts.
  image.taken_at -= kYear;
  wanted = WantedShift(image);
  EXPECT_NEAR(static_cast<double>(wanted.monotonic - own.monotonic), 4.0 * kYear, kBit);
  EXPECT_NEAR(static_cast<double>(wanted.boottime - own.boottime), 5.0 * kYear, kBit);
}

TEST(MachineClocks, GoOnLaterThanAMachineThatHasRunForLonger) {
  CheckpointImage image = TakeNow();
  const ClockShift own = image.clock_shift;
  image.boot = "another";
  image.monotonic_at = kSecond;
  // Who is asleep until a minute from then isn't woken at once.
  EXPECT_NEAR(static_cast<double>(WantedShift(image).monotonic - own.monotonic),
              static_cast<double>(kSecond - ClockNanoseconds(CLOCK_MONOTONIC)), kBit);
}

TEST(MachineClocks, NeverGoBack) {
  CheckpointImage image = TakeNow();
  const ClockShift own = image.clock_shift;
  image.boot = "another";
  // The other machine's time of day was an hour ahead.
  image.taken_at += 3'600 * kSecond;
  EXPECT_GE(WantedShift(image).monotonic + ClockNanoseconds(CLOCK_MONOTONIC) - own.monotonic,
            image.monotonic_at - kBit);
}

TEST(MachineClocks, WithoutTheMachinesNameThoseThatWouldGoBackAreAnothers) {
  CheckpointImage image = TakeNow();
  image.boot.clear();
  EXPECT_EQ(WantedShift(image), image.clock_shift);
  image.monotonic_at += kYear;
  EXPECT_NE(WantedShift(image), image.clock_shift);
}

}  // namespace
}  // namespace retake
