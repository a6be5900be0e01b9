// The machine half of aarch64, on register files and instructions made here.
#include <asm/ptrace.h>
#include <elf.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/auxv.h>
#include <ucontext.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <map>
#include <string>

#include "arch/aarch64/layout.h"
#include "arch/arch.h"

namespace retake {
namespace {

using namespace aarch64;

TEST(S12_Registers, AreTheWordsOfUserPtRegsAndTwoSmallRegsets) {
  EXPECT_EQ(sizeof(user_pt_regs), 34 * sizeof(uint64_t));
  ASSERT_EQ(HostArch().registers.size(), static_cast<size_t>(kWords));
  for (int i = 0; i < 31; ++i) {
    EXPECT_EQ(HostArch().registers[i].name, "x" + std::to_string(i));
  }
  EXPECT_EQ(offsetof(user_pt_regs, sp), kSp * sizeof(uint64_t));
  EXPECT_EQ(offsetof(user_pt_regs, pc), kPc * sizeof(uint64_t));
  EXPECT_EQ(offsetof(user_pt_regs, pstate), kPstate * sizeof(uint64_t));
  std::span<const Regset> sets = machine::Regsets();
  ASSERT_EQ(sets.size(), 3u);
  EXPECT_EQ(sets[0].note_type, static_cast<uint32_t>(NT_PRSTATUS));
  EXPECT_EQ(sets[0].bytes, sizeof(user_pt_regs));
  EXPECT_EQ(sets[0].first_word, 0);
  EXPECT_EQ(sets[1].note_type, static_cast<uint32_t>(NT_ARM_TLS));
  EXPECT_EQ(sets[1].first_word, kTpidr);
  EXPECT_EQ(sets[2].note_type, static_cast<uint32_t>(NT_ARM_SYSTEM_CALL));
  EXPECT_EQ(sets[2].first_word, kSyscallNumber);
  EXPECT_EQ(sets[2].bytes, sizeof(int));
  bool has_sve = (getauxval(AT_HWCAP) & HWCAP_SVE) != 0;
  EXPECT_EQ(machine::VectorRegset(), static_cast<uint32_t>(has_sve ? NT_ARM_SVE : NT_PRFPREG));
  EXPECT_GE(machine::MaxVectorBytes(), sizeof(user_fpsimd_state));
  // No word belongs to two regsets, none is outside.
  std::map<size_t, int> owners;
  for (const Regset& set : sets) {
    for (size_t byte = 0; byte < set.bytes; byte += 8) ++owners[set.first_word + byte / 8];
  }
  EXPECT_EQ(owners.size(), static_cast<size_t>(kWords));
  for (const auto& [word, count] : owners) EXPECT_EQ(count, 1) << word;
}

Registers AtEntry(int number) {
  Registers regs;
  for (size_t i = 0; i < kWords; ++i) regs.words[i] = 0x1000 + i;
  regs.words[kX8] = static_cast<uint64_t>(number);
  regs.words[kSyscallNumber] = static_cast<uint32_t>(number);
  regs.words[kPstate] = 0x60001000;
  regs.words[kPc] = 0x400104;
  return regs;
}

TEST(S12_Registers, ThePartsOfACallAreWhereTheConventionHasThem) {
  Registers regs = AtEntry(64);
  EXPECT_EQ(machine::SyscallNumber(regs), 64u);
  for (int i = 0; i < 6; ++i) {
    EXPECT_EQ(machine::Argument(regs, i), 0x1000u + i);
    machine::SetArgument(regs, i, 21 + i);
    EXPECT_EQ(regs.words[i], 21u + i);
  }
  machine::SetResult(regs, -EIO);
  EXPECT_EQ(machine::ResultOf(regs), -EIO);
  EXPECT_EQ(regs.words[kX0], static_cast<uint64_t>(int64_t{-EIO}));
}

TEST(Machine, NoCallIsMinusOneIn32Bits) {
  for (auto forget : {machine::ForgetSyscall, machine::SuppressCall}) {
    Registers regs = AtEntry(64);
    forget(regs);
    EXPECT_EQ(regs.words[kSyscallNumber], 0xffffffffu);
    EXPECT_EQ(machine::SyscallNumber(regs), ~uint64_t{0});
  }
}

TEST(Machine, AFinishedCallChangesItsResultOnly) {
  Registers regs = AtEntry(63);
  Registers before = regs;
  machine::SuppressCall(regs);
  machine::FinishCall(regs, 5);
  before.words[kX0] = 5;
  machine::ForgetSyscall(before);
  EXPECT_EQ(regs, before);
}

TEST(Machine, ACallIsSetAndRewound) {
  Registers regs = AtEntry(-1);
  const uint64_t args[6] = {1, 2, 3, 4, 5, 6};
  machine::SetCall(regs, 222, args);
  EXPECT_EQ(regs.words[kX8], 222u);
  for (int i = 0; i < 6; ++i) EXPECT_EQ(regs.words[i], args[i]);
  regs = AtEntry(222);
  machine::RewindToCall(regs);
  EXPECT_EQ(regs.words[kPc], 0x400100u);
  EXPECT_EQ(regs.words[kX8], 222u);
  EXPECT_EQ(machine::SyscallNumber(regs), ~uint64_t{0});
}

TEST(Machine, ExitStopsShowTheKernelsOwnErrors) {
  for (int64_t result : {-512, -513, -514, -516}) EXPECT_TRUE(machine::IsRestart(result));
  for (int64_t result : {-511, -517, -4, 0}) EXPECT_FALSE(machine::IsRestart(result));
}

TEST(Machine, TheHiddenRegisterIsX7AndLiesInASignalFrame) {
  auto hidden = machine::HiddenAtSyscallStops();
  ASSERT_TRUE(hidden);
  EXPECT_EQ(hidden->word, kX7);
  struct Frame {  // struct rt_sigframe of arch/arm64/kernel/signal.c
    siginfo_t info;
    ucontext_t context;
  };
  EXPECT_EQ(hidden->signal_frame_offset, offsetof(Frame, context.uc_mcontext.regs[7]));
}

TEST(Machine, AReentryIsTheSameCallOrRestartSyscall) {
  Registers first = AtEntry(101);
  EXPECT_TRUE(machine::IsReentryOf(first, first));
  EXPECT_TRUE(machine::IsReentryOf(first, AtEntry(128)));
  EXPECT_FALSE(machine::IsReentryOf(first, AtEntry(102)));
  Registers other = first;
  other.words[kX0] += 1;
  EXPECT_FALSE(machine::IsReentryOf(first, other));
  other = first;
  other.words[kX8] += 1;
  EXPECT_FALSE(machine::IsReentryOf(first, other));
}

TEST(Machine, ComparableLeavesOutWhatIsNotTheProgramsOwn) {
  Registers a = AtEntry(64);
  Registers b = a;
  b.words[kX7] = 0;                       // the kernel's mark of an entry
  b.words[kPstate] |= uint64_t{1} << 21;  // PSTATE.SS
  EXPECT_EQ(machine::Comparable(a), machine::Comparable(b));
  Registers outside = a;
  machine::ForgetSyscall(outside);
  for (size_t word = 0; word < kWords; ++word) {
    Registers other = outside;
    other.words[word] ^= 0x40;
    EXPECT_NE(machine::Comparable(outside), machine::Comparable(other))
        << HostArch().registers[word].name;
  }
}

// Instructions as the assembler makes them, the last for SVE's sake by number.
extern "C" const uint32_t retake_test_traps[];
asm(R"(
    .pushsection .rodata
    .balign 4
    .globl retake_test_traps
retake_test_traps:
    mrs x3, cntvct_el0
    mrs x30, cntfrq_el0
    mrs xzr, cntvct_el0
    .inst 0xd53be0c5 // mrs x5, cntvctss_el0
    mrs x3, tpidr_el0
    mrs x3, cntpct_el0
    svc #0
    .popsection
)");

ByteSpan Trap(int index) {
  return {reinterpret_cast<const uint8_t*>(&retake_test_traps[index]), sizeof(uint32_t)};
}

TEST(Machine, DecodesWhatTraps) {
  struct Case {
    TrapKind kind;
    uint8_t target;
    bool frequency;
  };
  const Case kCases[] = {{TrapKind::kTimestamp, 3, false},  {TrapKind::kTimestamp, 30, true},
                         {TrapKind::kTimestamp, 31, false}, {TrapKind::kTimestamp, 5, false},
                         {TrapKind::kNone, 0, false},       {TrapKind::kNone, 0, false},
                         {TrapKind::kNone, 0, false}};
  for (size_t i = 0; i < std::size(kCases); ++i) {
    TrappedInstruction insn = machine::DecodeTrap(Trap(static_cast<int>(i)));
    EXPECT_EQ(insn.kind, kCases[i].kind) << i;
    EXPECT_EQ(insn.target, kCases[i].target) << i;
    EXPECT_EQ(insn.frequency, kCases[i].frequency) << i;
    EXPECT_EQ(insn.length, insn.kind == TrapKind::kNone ? 0 : 4) << i;
    EXPECT_EQ(machine::DecodeTrap(Trap(static_cast<int>(i)).first(3)).kind, TrapKind::kNone);
  }
}

TEST(Machine, AnswersGoToTheNamedRegisterAndStepOver) {
  Registers regs = AtEntry(-1);
  Registers before = regs;
  machine::AnswerTimestamp(regs, machine::DecodeTrap(Trap(0)), 0x1234567887654321, 7);
  EXPECT_EQ(regs.words[3], 0x1234567887654321u);
  EXPECT_EQ(regs.words[kPc], 0x400108u);
  regs.words[3] = before.words[3];
  regs.words[kPc] = before.words[kPc];
  EXPECT_EQ(regs, before);
  // xzr swallows it; word 31 is sp.
  machine::AnswerTimestamp(regs, machine::DecodeTrap(Trap(2)), 1, 7);
  EXPECT_EQ(regs.words[kSp], before.words[kSp]);
  EXPECT_EQ(regs.words[kPc], 0x400108u);
}

TEST(Machine, CpuFeaturesAgreeWithTheKernels) {
  std::map<std::string_view, bool> features;
  for (const machine::CpuFeature& feature : machine::CpuFeatures()) {
    EXPECT_TRUE(features.emplace(feature.name, feature.present).second) << feature.name;
  }
  // <asm/hwcap.h>
  uint64_t hwcap = getauxval(AT_HWCAP);
  const std::map<std::string_view, int> kBits = {
      {"fp", 0},    {"asimd", 1},   {"aes", 3},       {"pmull", 4},  {"sha1", 5}, {"sha2", 6},
      {"crc32", 7}, {"atomics", 8}, {"asimdrdm", 12}, {"lrcpc", 15}, {"sve", 22}};
  for (const auto& [name, bit] : kBits) {
    EXPECT_EQ(features.at(name), (hwcap >> bit & 1) != 0) << name;
  }
  EXPECT_FALSE(machine::CpuModel().empty());
}

TEST(Machine, SignalFramesFitTheirBound) {
  // The kernel's own bound, which counts the whole frame (AT_MINSIGSTKSZ); 0 under an emulator.
  EXPECT_LE(getauxval(51), machine::MaxSignalFrame(machine::MaxVectorBytes()));
}

TEST(Machine, TheTimestampCounts) {
  uint64_t first = machine::ReadTimestamp();
  EXPECT_LE(first, machine::ReadTimestamp());
  TrappedInstruction frequency{.kind = TrapKind::kTimestamp, .frequency = true};
  EXPECT_EQ(machine::ReadTimestamp(frequency), machine::ReadTimestamp(frequency));
  EXPECT_GE(machine::ReadTimestamp(frequency), 1'000'000u);
}

}  // namespace
}  // namespace retake
