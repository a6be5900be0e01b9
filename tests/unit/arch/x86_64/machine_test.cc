// The machine half of x86_64, on register files and instructions made here.
#include <elf.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/auxv.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>
#include <x86intrin.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <map>

#include "arch/arch.h"
#include "arch/raw_syscall.h"
#include "arch/x86_64/layout.h"

namespace retake {
namespace {

using namespace x86_64;

#define FIELD(name) \
  { #name, offsetof(user_regs_struct, name) }
const std::map<std::string_view, size_t> kFields = {
    FIELD(r15),     FIELD(r14),      FIELD(r13), FIELD(r12), FIELD(rbp),    FIELD(rbx), FIELD(r11),
    FIELD(r10),     FIELD(r9),       FIELD(r8),  FIELD(rax), FIELD(rcx),    FIELD(rdx), FIELD(rsi),
    FIELD(rdi),     FIELD(orig_rax), FIELD(rip), FIELD(cs),  FIELD(eflags), FIELD(rsp), FIELD(ss),
    FIELD(fs_base), FIELD(gs_base),  FIELD(ds),  FIELD(es),  FIELD(fs),     FIELD(gs)};
#undef FIELD

TEST(S12_Registers, AreTheWordsOfUserRegsStruct) {
  EXPECT_EQ(sizeof(user_regs_struct), 27 * sizeof(uint64_t));
  ASSERT_EQ(HostArch().registers.size(), 27u);
  for (size_t i = 0; i < 27; ++i) {
    std::string_view name = HostArch().registers[i].name;
    ASSERT_TRUE(kFields.count(name)) << name;
    EXPECT_EQ(kFields.at(name), i * sizeof(uint64_t)) << name;
  }
  ASSERT_EQ(machine::Regsets().size(), 1u);
  const Regset& set = machine::Regsets()[0];
  EXPECT_EQ(set.note_type, static_cast<uint32_t>(NT_PRSTATUS));
  EXPECT_EQ(set.bytes, sizeof(user_regs_struct));
  EXPECT_EQ(set.first_word, 0);
  EXPECT_EQ(machine::VectorRegset(), static_cast<uint32_t>(NT_X86_XSTATE));
}

TEST(S12_Registers, ThePartsOfACallAreWhereTheConventionHasThem) {
  Registers regs;
  user_regs_struct user{};
  user.orig_rax = 1;
  user.rdi = 11, user.rsi = 12, user.rdx = 13, user.r10 = 14, user.r8 = 15, user.r9 = 16;
  user.rax = static_cast<unsigned long long>(-ENOSYS);
  memcpy(regs.words.data(), &user, sizeof user);
  EXPECT_EQ(machine::SyscallNumber(regs), 1u);
  for (int i = 0; i < 6; ++i) EXPECT_EQ(machine::Argument(regs, i), 11u + i);
  EXPECT_EQ(machine::ResultOf(regs), -ENOSYS);
  for (int i = 0; i < 6; ++i) machine::SetArgument(regs, i, 21 + i);
  machine::SetResult(regs, -EIO);
  memcpy(&user, regs.words.data(), sizeof user);
  EXPECT_EQ(user.rdi, 21u);
  EXPECT_EQ(user.r9, 26u);
  EXPECT_EQ(static_cast<int64_t>(user.rax), -EIO);
}

Registers AtEntry(uint64_t number) {
  Registers regs;
  for (size_t i = 0; i < kWords; ++i) regs.words[i] = 0x1000 + i;
  regs.words[kOrigRax] = number;
  regs.words[kRax] = static_cast<uint64_t>(int64_t{-ENOSYS});
  regs.words[kEflags] = 0x246;
  regs.words[kR11] = 0x246;
  regs.words[kRip] = 0x401002;
  regs.words[kRcx] = 0x401002;
  return regs;
}

TEST(Machine, AFinishedCallLooksAsTheInstructionLeavesIt) {
  Registers regs = AtEntry(0);
  regs.words[kR11] = regs.words[kRcx] = 0;
  Registers before = regs;
  machine::SuppressCall(regs);
  machine::FinishCall(regs, 5);
  EXPECT_EQ(regs.words[kRax], 5u);
  EXPECT_EQ(regs.words[kRcx], before.words[kRip]);
  EXPECT_EQ(regs.words[kR11], before.words[kEflags]);
  EXPECT_EQ(regs.words[kOrigRax], ~uint64_t{0});
  for (Word same : {kRip, kRsp, kRdi, kRbx, kEflags, kFsBase}) {
    EXPECT_EQ(regs.words[same], before.words[same]);
  }
}

TEST(Machine, ARewoundCallIsTheSameCall) {
  Registers regs = AtEntry(39);
  machine::RewindToCall(regs);
  EXPECT_EQ(regs.words[kRip], 0x401000u);
  EXPECT_EQ(regs.words[kRax], 39u);
  EXPECT_EQ(regs.words[kOrigRax], ~uint64_t{0});
}

TEST(Machine, ANumberIsTheLowerHalf) {
  Registers regs = AtEntry(0xffffffff00000001);
  EXPECT_EQ(machine::SyscallNumber(regs), 1u);
  EXPECT_EQ(machine::Comparable(regs).words[kOrigRax], regs.words[kOrigRax]);
  machine::ForgetSyscall(regs);
  EXPECT_EQ(machine::SyscallNumber(regs), ~uint64_t{0});
}

TEST(Machine, ASetCallHasItsNumberAndArguments) {
  Registers regs = AtEntry(1);
  const uint64_t args[6] = {1, 2, 3, 4, 5, 6};
  machine::SetCall(regs, 9, args);
  EXPECT_EQ(regs.words[kRax], 9u);
  EXPECT_EQ(regs.words[kOrigRax], ~uint64_t{0});
  for (int i = 0; i < 6; ++i) EXPECT_EQ(machine::Argument(regs, i), args[i]);
}

TEST(Machine, RestartsAreTheKernelsInternalErrors) {
  for (int64_t result : {-512, -513, -514, -516}) EXPECT_TRUE(machine::IsRestart(result));
  for (int64_t result : {-511, -517, -4, 0, 512}) EXPECT_FALSE(machine::IsRestart(result));
}

TEST(Machine, AReentryIsTheSameCallOrRestartSyscall) {
  Registers first = AtEntry(230);
  EXPECT_TRUE(machine::IsReentryOf(first, first));
  Registers again = AtEntry(219);
  EXPECT_TRUE(machine::IsReentryOf(first, again));
  EXPECT_FALSE(machine::IsReentryOf(first, AtEntry(231)));
  Registers other = AtEntry(230);
  other.words[kRdi] += 1;
  EXPECT_FALSE(machine::IsReentryOf(first, other));
  other = AtEntry(230);
  other.words[kRip] += 2;
  EXPECT_FALSE(machine::IsReentryOf(first, other));
}

TEST(Machine, ComparableLeavesOutWhatIsNotTheProgramsOwn) {
  Registers a = AtEntry(1);
  Registers b = a;
  b.words[kEflags] |= 0x100 | 0x10000;  // TF, RF
  for (Word selector : {kCs, kSs, kDs, kEs, kFs, kGs}) b.words[selector] += 8;
  EXPECT_EQ(machine::Comparable(a), machine::Comparable(b));
  for (size_t word = 0; word < kWords; ++word) {
    if (HostArch().registers[word].role == RegisterRole::kIgnored) continue;
    Registers other = a;
    other.words[word] ^= 0x40;
    EXPECT_NE(machine::Comparable(a), machine::Comparable(other))
        << HostArch().registers[word].name;
  }
  // Behind a call: in it or not is the supervisor's doing.
  Registers in = AtEntry(1);
  in.words[kRax] = 7;
  Registers out = in;
  machine::ForgetSyscall(out);
  EXPECT_EQ(machine::Comparable(in), machine::Comparable(out));
}

std::vector<uint8_t> Bytes(std::initializer_list<int> list) { return {list.begin(), list.end()}; }

TEST(Machine, DecodesWhatTraps) {
  struct Case {
    std::vector<uint8_t> code;
    TrapKind kind;
    uint8_t length;
  };
  const Case kCases[] = {
      {Bytes({0x0f, 0x31}), TrapKind::kTimestamp, 2},
      {Bytes({0x0f, 0x31, 0x90, 0x90}), TrapKind::kTimestamp, 2},
      {Bytes({0x0f, 0x01, 0xf9}), TrapKind::kTimestampAndCpu, 3},
      {Bytes({0x0f, 0xa2}), TrapKind::kCpuid, 2},
      {Bytes({0x48, 0x0f, 0x31}), TrapKind::kTimestamp, 3},
      {Bytes({0x66, 0x66, 0x48, 0x0f, 0x01, 0xf9}), TrapKind::kTimestampAndCpu, 6},
      {Bytes({0xf3, 0x0f, 0xa2}), TrapKind::kCpuid, 3},
      // Others, and those cut off.
      {Bytes({0x0f, 0x01, 0xf8}), TrapKind::kNone, 0},
      {Bytes({0x0f, 0x05}), TrapKind::kNone, 0},
      {Bytes({0x0f, 0x01}), TrapKind::kNone, 0},
      {Bytes({0x0f}), TrapKind::kNone, 0},
      {Bytes({}), TrapKind::kNone, 0},
      {Bytes({0x66, 0x66, 0x66}), TrapKind::kNone, 0},
      {Bytes({0x48, 0x66, 0x0f, 0x31}), TrapKind::kNone, 0},
      {Bytes({0xf0, 0x0f, 0x31}), TrapKind::kNone, 0},
      // 16 bytes: longer than any instruction may be.
      {Bytes({0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66,
              0x0f, 0x31}),
       TrapKind::kNone, 0},
  };
  for (const Case& c : kCases) {
    TrappedInstruction insn = machine::DecodeTrap(c.code);
    EXPECT_EQ(insn.kind, c.kind) << testing::PrintToString(c.code);
    EXPECT_EQ(insn.length, c.length) << testing::PrintToString(c.code);
  }
}

TEST(Machine, AnswersGoToTheLowHalvesAndStepOver) {
  Registers regs = AtEntry(0);
  regs.words[kRax] = regs.words[kRdx] = regs.words[kRcx] = ~uint64_t{0};
  machine::AnswerTimestamp(regs, {.kind = TrapKind::kTimestamp, .length = 2}, 0x1234567887654321,
                           9);
  EXPECT_EQ(regs.words[kRax], 0x87654321u);
  EXPECT_EQ(regs.words[kRdx], 0x12345678u);
  EXPECT_EQ(regs.words[kRcx], ~uint64_t{0});
  EXPECT_EQ(regs.words[kRip], 0x401004u);
  machine::AnswerTimestamp(regs, {.kind = TrapKind::kTimestampAndCpu, .length = 3}, 1, 9);
  EXPECT_EQ(regs.words[kRcx], 9u);
  EXPECT_EQ(regs.words[kRip], 0x401007u);
  regs.words[kRax] = 0xffffffff00000007;
  regs.words[kRcx] = 1;
  EXPECT_EQ(machine::CpuidQuestion(regs), (std::pair<uint32_t, uint32_t>{7, 1}));
  machine::AnswerCpuid(regs, {.kind = TrapKind::kCpuid, .length = 2}, {1, 2, 3, 0xfffffff4});
  EXPECT_EQ(regs.words[kRax], 1u);
  EXPECT_EQ(regs.words[kRbx], 2u);
  EXPECT_EQ(regs.words[kRcx], 3u);
  EXPECT_EQ(regs.words[kRdx], 0xfffffff4u);
  EXPECT_EQ(regs.words[kRip], 0x401009u);
}

TEST(Machine, CpuFeaturesAgreeWithTheCompilersOwnLook) {
  __builtin_cpu_init();
  std::map<std::string_view, bool> features;
  for (const machine::CpuFeature& feature : machine::CpuFeatures()) {
    EXPECT_TRUE(features.emplace(feature.name, feature.present).second) << feature.name;
  }
  auto expect = [&](std::string_view name, bool present) {
    ASSERT_TRUE(features.count(name)) << name;
    EXPECT_EQ(features.at(name), present) << name;
  };
  expect("sse4_2", __builtin_cpu_supports("sse4.2") != 0);
  expect("popcnt", __builtin_cpu_supports("popcnt") != 0);
  expect("avx", __builtin_cpu_supports("avx") != 0);
  expect("avx2", __builtin_cpu_supports("avx2") != 0);
  expect("fma", __builtin_cpu_supports("fma") != 0);
  expect("bmi1", __builtin_cpu_supports("bmi") != 0);
  expect("bmi2", __builtin_cpu_supports("bmi2") != 0);
  expect("avx512f", __builtin_cpu_supports("avx512f") != 0);
  expect("avx512vl", __builtin_cpu_supports("avx512vl") != 0);
  expect("avx512bf16", __builtin_cpu_supports("avx512bf16") != 0);
  expect("gfni", __builtin_cpu_supports("gfni") != 0);
  EXPECT_FALSE(machine::CpuModel().empty());
}

TEST(Machine, VectorStateFitsItsBound) {
  // Leaf 0xd: ecx is the size of all state the CPU knows.
  if (machine::ReadCpuid(0, 0).eax >= 0xd) {
    EXPECT_LE(machine::ReadCpuid(0xd, 0).ecx, machine::MaxVectorBytes());
  }
  EXPECT_GE(machine::MaxVectorBytes(), 11'008u);  // with AMX
  // The kernel's own bound, which counts the whole frame (AT_MINSIGSTKSZ).
  uint64_t kernels = getauxval(51);
  EXPECT_LE(kernels, machine::MaxSignalFrame(machine::MaxVectorBytes()));
}

TEST(Machine, TheTimestampCounts) {
  uint64_t first = machine::ReadTimestamp();
  EXPECT_LE(first, machine::ReadTimestamp());
  EXPECT_LE(first, machine::ReadTimestamp(TrappedInstruction{.kind = TrapKind::kTimestamp}));
}

bool trapped = false;

// Answers a trapped rdtsc or rdtscp as a supervisor would, from the signal handler of the program
// itself.
void AnswerTrap(int, siginfo_t*, void* context) {
  auto& gregs = static_cast<ucontext_t*>(context)->uc_mcontext.gregs;
  const std::pair<Word, int> kMoved[] = {
      {kRip, REG_RIP}, {kRax, REG_RAX}, {kRdx, REG_RDX}, {kRcx, REG_RCX}};
  Registers regs;
  for (auto [word, greg] : kMoved) regs.words[word] = static_cast<uint64_t>(gregs[greg]);
  TrappedInstruction insn =
      machine::DecodeTrap({reinterpret_cast<const uint8_t*>(regs.words[kRip]), 16});
  if (insn.kind == TrapKind::kNone) _exit(2);
  trapped = true;
  machine::AnswerTimestamp(regs, insn, 0x0123456776543210, 5);
  for (auto [word, greg] : kMoved) gregs[greg] = static_cast<greg_t>(regs.words[word]);
}

TEST(Machine, ARealTrapIsDecodedAndAnswered) {
  constexpr int kRunsFree = 5;
  std::optional<machine::TrapSwitch> trap = machine::TimestampTrap();
  ASSERT_TRUE(trap);
  pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    alarm(20);
    struct sigaction action {};
    action.sa_sigaction = AnswerTrap;
    action.sa_flags = SA_SIGINFO;
    sigaction(SIGSEGV, &action, nullptr);
    if (RawSyscall(HostArch().NumberOf(trap->sys), {{trap->args[0], trap->args[1]}}) != 0) _exit(3);
    unsigned cpu = 0;
    bool right = __rdtsc() == 0x0123456776543210 && __rdtscp(&cpu) == 0x0123456776543210;
    if (!trapped) _exit(kRunsFree);
    _exit(right && cpu == 5 ? 0 : 4);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status)) << status;
  // Some hypervisors accept the setting and let the instruction run; X86TrapSites has what is done
  // there.
  EXPECT_TRUE(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == kRunsFree) << status;
}

TEST(S14_VdsoSymbols, TheKernelGivesOne) { EXPECT_NE(getauxval(AT_SYSINFO_EHDR), 0u); }

}  // namespace
}  // namespace retake
