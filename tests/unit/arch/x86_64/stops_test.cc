// What a stop does to the call that a task is in, on x86_64.
#include <gtest/gtest.h>

#include <cerrno>
#include <initializer_list>
#include <optional>
#include <vector>

#include "arch/arch.h"
#include "arch/x86_64/layout.h"

namespace retake {
namespace {

using namespace x86_64;

constexpr int kNanosleep = 35;
constexpr int kRestart = 219;

Registers StoppedWith(int64_t number, int64_t result) {
  Registers regs;
  regs.words[kOrigRax] = static_cast<uint64_t>(number);
  regs.words[kRax] = static_cast<uint64_t>(result);
  regs.words[kRip] = 0x401002;
  regs.words[kRdi] = 0x7000;
  return regs;
}

StoppedCall CallOf(const Registers& regs) { return machine::CallAtStop(regs, nullptr, {}); }

TEST(Stops, TheResultTellsHowACallGoesOn) {
  auto outcome = [](int64_t result) { return CallOf(StoppedWith(kNanosleep, result)).outcome; };
  EXPECT_EQ(outcome(-512), StopOutcome::kRestarts);
  EXPECT_EQ(outcome(-513), StopOutcome::kRestarts);
  EXPECT_EQ(outcome(-514), StopOutcome::kRestarts);
  EXPECT_EQ(outcome(-516), StopOutcome::kRestartsLimit);
  EXPECT_EQ(outcome(-EINTR), StopOutcome::kEnded);
  EXPECT_EQ(outcome(0), StopOutcome::kNone);
  EXPECT_EQ(CallOf(StoppedWith(kNanosleep, 0)).number, -1);
  EXPECT_EQ(CallOf(StoppedWith(-1, -516)).outcome, StopOutcome::kNone);
  EXPECT_EQ(CallOf(StoppedWith(kNanosleep, -516)).number, kNanosleep);
}

TEST(Stops, OnlyTheSameTaskGoesOnWithWhatIsLeft) {
  Registers stopped = StoppedWith(kNanosleep, -516);
  StoppedCall call = CallOf(stopped);
  Registers same = machine::Resumable(stopped, call, true);
  Registers other = machine::Resumable(stopped, call, false);
  EXPECT_EQ(same.words[kRip], 0x401000u);
  EXPECT_EQ(same.words[kRax], static_cast<uint64_t>(kRestart));
  EXPECT_EQ(other.words[kRip], 0x401000u);
  EXPECT_EQ(other.words[kRax], static_cast<uint64_t>(kNanosleep));
  EXPECT_EQ(same.words[kOrigRax], ~uint64_t{0});
  EXPECT_EQ(other.words[kOrigRax], ~uint64_t{0});
}

TEST(Stops, ARestartedCallIsMadeAgainUnderItsOwnNumber) {
  Registers stopped = StoppedWith(kRestart, -516);
  StoppedCall call = CallOf(stopped);
  EXPECT_EQ(call.number, kRestart);
  call.number = kNanosleep;
  EXPECT_EQ(machine::Resumable(stopped, call, false).words[kRax],
            static_cast<uint64_t>(kNanosleep));
}

TEST(Stops, ACallThatIsOverIsLeftAlone) {
  Registers stopped = StoppedWith(kNanosleep, 7);
  Registers out = machine::Resumable(stopped, CallOf(stopped), false);
  EXPECT_EQ(out.words[kRip], stopped.words[kRip]);
  EXPECT_EQ(out.words[kRax], 7u);
}

std::optional<int64_t> Loaded(std::initializer_list<uint8_t> code) {
  std::vector<uint8_t> bytes(code);
  return machine::LoadedCall(bytes);
}

TEST(LoadedCall, IsTheNearestLoadThatNothingOverwrites) {
  EXPECT_EQ(Loaded({0xb8, 0x23, 0, 0, 0}), 35);                    // mov $35, %eax
  EXPECT_EQ(Loaded({0x48, 0xc7, 0xc0, 0x23, 0, 0, 0}), 35);        // mov $35, %rax
  EXPECT_EQ(Loaded({0xb8, 0x23, 0, 0, 0, 0x45, 0x31, 0xd2}), 35);  // xor %r10d, %r10d
  EXPECT_EQ(Loaded({0xb8, 0x23, 0, 0, 0, 0x48, 0x89, 0xe7}), 35);  // mov %rsp, %rdi
  EXPECT_EQ(Loaded({0xb8, 1, 0, 0, 0, 0xb8, 0x07, 0, 0, 0}), 7);   // twice
  EXPECT_EQ(Loaded({0xb8, 0x23, 0, 0, 0, 0x48, 0x8b, 0x44, 0x24, 8}), std::nullopt);  // mov to rax
  EXPECT_EQ(Loaded({0xb8, 0x23, 0, 0, 0, 0x31, 0xc0}), std::nullopt);        // xor %eax, %eax
  EXPECT_EQ(Loaded({0xb8, 0x23, 0, 0, 0, 0xe8, 0, 0, 0, 0}), std::nullopt);  // call
  EXPECT_EQ(Loaded({0xb8, 0x23, 0, 0, 0, 0xc3}), std::nullopt);              // ret
  EXPECT_EQ(Loaded({0x48, 0x89, 0xf8}), std::nullopt);                       // mov %rdi, %rax
  EXPECT_EQ(Loaded({0xb8, 0x23, 0}), std::nullopt);                          // cut off
  EXPECT_EQ(Loaded({}), std::nullopt);
}

}  // namespace
}  // namespace retake
