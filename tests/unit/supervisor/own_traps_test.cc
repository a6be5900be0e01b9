// A tracer thread whose time-stamp counter traps must still have time and counter.
#include "supervisor/own_traps.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include <chrono>
#include <thread>

#include "base/clock.h"

namespace retake {
namespace {

TEST(OwnTimestampTrap, TimeAndCounterAreToBeHad) {
  uint64_t before = HostTimestamp({});
  int64_t began = MonotonicNanoseconds();
  {
    OwnTimestampTrap trap;
    uint64_t first = HostTimestamp({});
    uint64_t second = HostTimestamp({});
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
    EXPECT_GT(HostTimestamp({}), seen);
  }
  EXPECT_GT(seen, 0U);
}

bool Traps() {
  int mode = 0;
  return prctl(PR_GET_TSC, &mode) == 0 && mode == PR_TSC_SIGSEGV;
}

TEST(OwnTimestampTrap, CodeThatReadsTheCounterIsServed) {
  EXPECT_FALSE(Traps());
  bool expected = machine::TimestampSwitchIsDear() && TimestampTrapWorks();
  {
    OwnTimestampTrap trap;
    EXPECT_EQ(Traps(), expected);
    uint64_t first = machine::ReadTimestamp();
    uint64_t second = machine::ReadTimestamp();
    EXPECT_GT(second, first);
    // By the vDSO.
    auto now = std::chrono::steady_clock::now();
    EXPECT_LE(now, SteadyNow());
    EXPECT_EQ(Traps(), expected);
  }
  EXPECT_FALSE(Traps());
}

// In a thread of its own, with which the trap ends.
TEST(OwnCpuidTrap, CodeThatAsksIsServed) {
  CpuidResult expected = machine::ReadCpuid(0, 0);
  CpuidResult asked{}, host{};
  bool traps = false;
  std::thread([&] {
    traps = TrapOwnCpuid();
    asked = machine::ReadCpuid(0, 0);
    host = HostCpuid(0, 0);
    // Libraries ask when they like.
    EXPECT_EQ(machine::ReadCpuid(0, 0), expected);
  }).join();
  EXPECT_EQ(traps, CpuidTrapWorks());
  EXPECT_EQ(asked, expected);
  EXPECT_EQ(host, expected);
  EXPECT_EQ(machine::ReadCpuid(0, 0), expected);
}

// A counter, or how fast it counts, which is the same each time where there is such a question.
TEST(HostTimestamp, AnswersTheInstructionThatWasExecuted) {
  for (bool frequency : {false, true}) {
    TrappedInstruction insn{.kind = TrapKind::kTimestamp, .frequency = frequency};
    uint64_t before = machine::ReadTimestamp(insn);
    uint64_t answered = HostTimestamp(insn);
    uint64_t after = machine::ReadTimestamp(insn);
    EXPECT_LE(before, answered);
    EXPECT_LE(answered, after);
  }
}

TEST(TrapTrials, LeaveEverythingAsItWas) {
  (void)TimestampTrapWorks();
  (void)CpuidTrapWorks();
  EXPECT_FALSE(Traps());
  EXPECT_GT(machine::ReadTimestamp(), 0U);
}

TEST(OwnTimestampTrapDeathTest, OtherFaultsAreFaults) {
  EXPECT_EXIT(
      {
        // As without a sanitizer's handler.
        signal(SIGSEGV, SIG_DFL);
        OwnTimestampTrap trap;
        *static_cast<volatile int*>(
            mmap(nullptr, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)) = 1;
      },
      testing::KilledBySignal(SIGSEGV), "");
}

}  // namespace
}  // namespace retake
