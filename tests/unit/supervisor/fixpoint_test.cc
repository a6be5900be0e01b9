// Real loops, stopped anywhere: spins are proved and parked at one state, computations never are.
#include "supervisor/fixpoint.h"

#include <gtest/gtest.h>
#include <sys/syscall.h>

#include <chrono>
#include <cstdio>

#include "tests/unit/supervisor/spins.h"
#include "tests/unit/times.h"
#include "tests/unit/tracee/traced_child.h"
#include "tracee/stepper.h"

namespace retake {
namespace {

using Kind = SpinVerdict::Kind;

constexpr uint32_t kBudget = 20'000;

class FixpointTest : public ::testing::TestWithParam<Loops (*)()> {};

// Steps the task so that it is stopped somewhere else in its round.
void StepOn(TracedChild& child, int steps) {
  Stepper stepper(child.pid(), child.memory());
  Registers registers = child.registers();
  for (int i = 0; i < steps; ++i) {
    auto outcome = stepper.Step(registers);
    ASSERT_TRUE(outcome.ok()) << outcome.error().Message();
    ASSERT_EQ(*outcome, StepOutcome::kStepped);
  }
}

TEST_P(FixpointTest, ParksSpinsAtOneStateWhereverTheyWereStopped) {
  Loops loops = GetParam()();
  for (int i = 0; i < loops.spin_count; ++i) {
    const Loop& loop = loops.spins[i];
    SCOPED_TRACE(std::string(loop.name) + " at " + loops.level);
    TracedChild child([&] {
      loop.run();
      return 7;
    });
    std::optional<Registers> parked;
    std::vector<uint8_t> parked_vector;
    uint32_t period = 0;
    for (int stop = 0; stop < Times(6, 2); ++stop) {
      child.Stop(stop == 0 ? 20'000 : 500);
      StepOn(child, stop * 3);
      SpinDetector detector;  // knows no site
      auto verdict = detector.Park(child.pid(), child.memory(), kBudget);
      ASSERT_TRUE(verdict.ok()) << verdict.error().Message();
      ASSERT_EQ(verdict->kind, Kind::kParked);
      EXPECT_EQ(verdict->registers, child.registers());
      Registers now = machine::Comparable(verdict->registers);
      std::vector<uint8_t> vector;
      ASSERT_TRUE(ptracer::GetVector(child.pid(), vector).ok());
      machine::MakeVectorComparable(vector);
      if (!parked) {
        parked = now;
        parked_vector = vector;
        period = verdict->period;
      }
      EXPECT_EQ(now, *parked);
      EXPECT_EQ(vector, parked_vector);
      EXPECT_EQ(verdict->period, period);
      child.Continue();
    }
    // The program goes on as if nothing had been.
    child.Stop(500);
    child.Set(spin_flag, std::atomic<int>(1));
    EXPECT_EQ(child.RunToExit(), 7);
  }
}

TEST_P(FixpointTest, NeverCallsAComputationASpin) {
  Loops loops = GetParam()();
  for (int i = 0; i < loops.computation_count; ++i) {
    const Loop& loop = loops.computations[i];
    SCOPED_TRACE(std::string(loop.name) + " at " + loops.level);
    TracedChild child([&] {
      loop.run();
      return 7;
    });
    child.Stop(20'000);
    SpinDetector detector;
    auto verdict = detector.Park(child.pid(), child.memory(), 4'000);
    ASSERT_TRUE(verdict.ok()) << verdict.error().Message();
    EXPECT_EQ(verdict->kind, Kind::kNotProved);
    EXPECT_EQ(verdict->steps, 4'000u);
    EXPECT_EQ(verdict->registers, child.registers());
    child.Set(spin_flag, std::atomic<int>(1));
    EXPECT_EQ(child.RunToExit(), 7);
  }
}

TEST_P(FixpointTest, StopsBeforeACallIsMade) {
  TracedChild child([&] {
    GetParam()().yields();
    return 7;
  });
  // Interrupted in or out of its call: what counts is that none is made by a step.
  for (int i = 0; i < 10; ++i) {
    child.Stop(300);
    Registers registers = child.registers();
    machine::ForgetSyscall(registers);
    ASSERT_TRUE(ptracer::SetRegisters(child.pid(), registers).ok());
    SpinDetector detector;
    auto verdict = detector.Park(child.pid(), child.memory(), kBudget);
    ASSERT_TRUE(verdict.ok()) << verdict.error().Message();
    ASSERT_EQ(verdict->kind, Kind::kBeforeCall);
    std::string_view call = HostArch().syscall_instruction;
    std::string found(call.size(), '\0');
    ASSERT_TRUE(child.memory().Read(Pc(child.registers()), found.data(), found.size()));
    EXPECT_EQ(found, call);
    child.Continue();
  }
  child.Stop(300);
  child.Set(spin_flag, std::atomic<int>(1));
  EXPECT_EQ(child.RunToExit(), 7);
}

INSTANTIATE_TEST_SUITE_P(Levels, FixpointTest, ::testing::Values(LoopsAtO0, LoopsAtO2),
                         [](const auto& test) { return std::string(test.param().level); });

TEST(Fixpoint, AKnownSiteIsProvedQuickerButStillProved) {
  Loops loops = LoopsAtO2();
  const Loop& ticket = loops.spins[3];
  TracedChild child([&] {
    ticket.run();
    return 7;
  });
  child.Stop(20'000);
  SpinDetector detector;
  auto first = detector.Park(child.pid(), child.memory(), kBudget);
  ASSERT_TRUE(first.ok() && first->kind == Kind::kParked);
  ASSERT_EQ(detector.sites().size(), 1u);
  StepOn(child, 5);
  auto second = detector.Park(child.pid(), child.memory(), kBudget);
  ASSERT_TRUE(second.ok() && second->kind == Kind::kParked);
  EXPECT_EQ(second->registers, first->registers);
  EXPECT_LT(second->steps, first->steps);
  EXPECT_LE(second->steps, 2 * second->period);
  EXPECT_GE(second->steps, second->period);
  EXPECT_EQ(detector.sites().size(), 1u);
}

TEST(Fixpoint, AKnownSiteThatComputesNowIsNotASpin) {
  // The same code, once with a lock that stays taken and once with a counter that moves.
  static std::atomic<uint64_t> step;
  static std::atomic<uint64_t> count;
  TracedChild child([] {
    while (spin_flag.load() == 0) count.fetch_add(step.load());
    return 7;
  });
  child.Stop(20'000);
  SpinDetector detector;
  auto spinning = detector.Park(child.pid(), child.memory(), kBudget);
  ASSERT_TRUE(spinning.ok() && spinning->kind == Kind::kParked);
  child.Set(step, std::atomic<uint64_t>(1));
  auto counting = detector.Park(child.pid(), child.memory(), 2'000);
  ASSERT_TRUE(counting.ok());
  EXPECT_EQ(counting->kind, Kind::kNotProved);
}

TEST(Fixpoint, ASignalThatComesMeanwhileIsHandedBack) {
  TracedChild child([] {
    LoopsAtO2().computations[0].run();
    return 7;
  });
  child.Stop(20'000);
  kill(child.pid(), SIGUSR1);
  SpinDetector detector;
  auto verdict = detector.Park(child.pid(), child.memory(), kBudget);
  ASSERT_TRUE(verdict.ok());
  EXPECT_EQ(verdict->kind, Kind::kStopped);
  EXPECT_EQ(verdict->status.kind(), StopKind::kSignal);
  EXPECT_EQ(verdict->status.signal(), SIGUSR1);
  EXPECT_EQ(verdict->steps, 0u);
}

TEST(Fixpoint, AKilledTaskIsAStopOrAnErrorNeverAHang) {
  TracedChild child([] {
    LoopsAtO2().computations[0].run();
    return 7;
  });
  child.Stop(20'000);
  kill(child.pid(), SIGKILL);
  SpinDetector detector;
  auto verdict = detector.Park(child.pid(), child.memory(), kBudget);
  if (verdict.ok()) {
    EXPECT_EQ(verdict->kind, Kind::kStopped);
    EXPECT_TRUE(verdict->status.gone());
  } else {
    EXPECT_TRUE(IsGone(verdict.error())) << verdict.error().Message();
  }
}

TEST(Fixpoint, PrintsWhatAStepCosts) {
  TracedChild child([] {
    LoopsAtO2().computations[0].run();
    return 7;
  });
  child.Stop(20'000);
  SpinDetector detector;
  auto begin = std::chrono::steady_clock::now();
  auto verdict = detector.Park(child.pid(), child.memory(), 5'000);
  std::chrono::duration<double, std::micro> took = std::chrono::steady_clock::now() - begin;
  ASSERT_TRUE(verdict.ok());
  ASSERT_EQ(verdict->steps, 5'000u);
  printf("%.2f us a step\n", took.count() / 5'000);
}

}  // namespace
}  // namespace retake
