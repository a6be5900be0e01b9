// What a stop does to the call that a task is in, on aarch64.
#include <gtest/gtest.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <initializer_list>
#include <optional>
#include <vector>

#include "arch/aarch64/layout.h"
#include "arch/arch.h"

namespace retake {
namespace {

using namespace aarch64;

constexpr int kNanosleep = 101, kClockNanosleep = 115, kFutex = 98, kRestart = 128;
constexpr int kEpollWait = 22;  // epoll_pwait
constexpr uint64_t kPcBehind = 0x401004;
constexpr uint8_t kSvc[] = {0x01, 0x00, 0x00, 0xd4};

SleepingCall Sleeping(int64_t number, std::array<uint64_t, 6> args) {
  return {.number = number, .args = args, .stack = 0x8000, .pc = kPcBehind};
}

// As the kernel leaves them when it has rewound that call.
Registers RewoundFrom(const SleepingCall& call) {
  Registers regs;
  for (int i = 0; i < 6; ++i) machine::SetArgument(regs, i, call.args[i]);
  regs.words[kX8] = static_cast<uint64_t>(call.number);
  regs.words[kSp] = call.stack;
  regs.words[kPc] = call.pc - 4;
  regs.words[kSyscallNumber] = 0xffffffff;
  return regs;
}

StopOutcome OutcomeOf(const SleepingCall& call) {
  return machine::CallAtStop(RewoundFrom(call), &call, kSvc).outcome;
}

TEST(Stops, TheKernelRemembersTheLimitOfSomeCalls) {
  EXPECT_EQ(OutcomeOf(Sleeping(kNanosleep, {0x7000})), StopOutcome::kRestartsLimit);
  EXPECT_EQ(OutcomeOf(Sleeping(kClockNanosleep, {1, 0, 0x7000})), StopOutcome::kRestartsLimit);
  EXPECT_EQ(OutcomeOf(Sleeping(kClockNanosleep, {1, 1, 0x7000})), StopOutcome::kAhead);
  EXPECT_EQ(OutcomeOf(Sleeping(kFutex, {0x7000, 128, 0, 0x7100})), StopOutcome::kRestartsLimit);
  EXPECT_EQ(OutcomeOf(Sleeping(kFutex, {0x7000, 128, 0, 0})), StopOutcome::kAhead);
  EXPECT_EQ(OutcomeOf(Sleeping(kRestart, {0x7000})), StopOutcome::kRestartsLimit);
  EXPECT_EQ(OutcomeOf(Sleeping(kEpollWait, {3, 0x7000, 1, 100})), StopOutcome::kAhead);
}

TEST(Stops, OnlyTheSameTaskGoesOnWithWhatIsLeft) {
  SleepingCall sleeping = Sleeping(kNanosleep, {0x7000});
  Registers stopped = RewoundFrom(sleeping);
  StoppedCall call = machine::CallAtStop(stopped, &sleeping, kSvc);
  EXPECT_EQ(call.number, kNanosleep);
  EXPECT_EQ(machine::Resumable(stopped, call, true).words[kX8], static_cast<uint64_t>(kRestart));
  EXPECT_EQ(machine::Resumable(stopped, call, false).words[kX8], static_cast<uint64_t>(kNanosleep));
  call.number = kClockNanosleep;
  EXPECT_EQ(machine::Resumable(stopped, call, false).words[kX8],
            static_cast<uint64_t>(kClockNanosleep));
}

TEST(Stops, ACallIsOnlyItsOwn) {
  SleepingCall sleeping = Sleeping(kNanosleep, {0x7000});
  Registers elsewhere = RewoundFrom(sleeping);
  elsewhere.words[kSp] += 16;
  // It is about to make one, as far as its code tells, and hasn't slept in it.
  EXPECT_EQ(machine::CallAtStop(elsewhere, &sleeping, kSvc).outcome, StopOutcome::kAhead);
  EXPECT_EQ(machine::CallAtStop(elsewhere, &sleeping, {}).outcome, StopOutcome::kNone);
  EXPECT_EQ(machine::CallAtStop(RewoundFrom(sleeping), nullptr, kSvc).outcome, StopOutcome::kAhead);
  // Nothing but the kernel gives a task this number.
  EXPECT_EQ(machine::CallAtStop(RewoundFrom(Sleeping(kRestart, {})), nullptr, kSvc).outcome,
            StopOutcome::kRestartsLimit);
}

TEST(Stops, AnEndedCallGetsItsArgumentBack) {
  SleepingCall sleeping = Sleeping(kEpollWait, {3, 0x7000, 1, 100});
  Registers stopped = RewoundFrom(sleeping);
  Registers before = stopped;
  stopped.words[kPc] = kPcBehind;
  machine::SetResult(stopped, -EINTR);
  StoppedCall call = machine::CallAtStop(stopped, &sleeping, {});
  EXPECT_EQ(call.number, kEpollWait);
  EXPECT_EQ(call.outcome, StopOutcome::kEnded);
  machine::RewindEndedCall(stopped, call, &sleeping);
  EXPECT_EQ(stopped, before);
}

std::optional<int64_t> Loaded(std::initializer_list<uint32_t> code) {
  std::vector<uint32_t> words(code);
  return machine::LoadedCall(
      {reinterpret_cast<const uint8_t*>(words.data()), words.size() * sizeof(uint32_t)});
}

TEST(LoadedCall, IsTheNearestLoadThatNothingOverwrites) {
  constexpr uint32_t kMov = 0xd2800008 | kNanosleep << 5;   // mov x8, #101
  constexpr uint32_t kMovW = 0x52800008 | kNanosleep << 5;  // mov w8, #101
  EXPECT_EQ(Loaded({kMov}), kNanosleep);
  EXPECT_EQ(Loaded({kMovW}), kNanosleep);
  EXPECT_EQ(Loaded({kMov, 0xaa1303e0}), kNanosleep);    // mov x0, x19
  EXPECT_EQ(Loaded({kMov, 0xaa1303e8}), std::nullopt);  // mov x8, x19
  EXPECT_EQ(Loaded({kMov, 0xd65f03c0}), std::nullopt);  // ret
  EXPECT_EQ(Loaded({kMov, 0x94000001}), std::nullopt);  // bl
  EXPECT_EQ(Loaded({kMov, 0xd4000001}), std::nullopt);  // svc
  EXPECT_EQ(Loaded({0x52a00008}), std::nullopt);        // mov w8, #0, lsl #16
  EXPECT_EQ(Loaded({}), std::nullopt);
}

}  // namespace
}  // namespace retake
