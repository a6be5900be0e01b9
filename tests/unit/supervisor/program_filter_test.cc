// A program's own seccomp filters: what is refused and what each makes of a call, against the
// kernel, with programs made by chance.
#include "supervisor/program_filter.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <functional>
#include <random>

#include "arch/arch.h"
#include "tests/unit/times.h"

namespace retake {
namespace {

using Code = std::vector<sock_filter>;

constexpr uint16_t kOperations[] = {BPF_LD | BPF_IMM,
                                    BPF_LDX | BPF_IMM,
                                    BPF_LD | BPF_W | BPF_ABS,
                                    BPF_LD | BPF_W | BPF_LEN,
                                    BPF_LDX | BPF_W | BPF_LEN,
                                    BPF_ST,
                                    BPF_STX,
                                    BPF_LD | BPF_MEM,
                                    BPF_LDX | BPF_MEM,
                                    BPF_MISC | BPF_TAX,
                                    BPF_MISC | BPF_TXA,
                                    BPF_ALU | BPF_ADD | BPF_K,
                                    BPF_ALU | BPF_ADD | BPF_X,
                                    BPF_ALU | BPF_SUB | BPF_K,
                                    BPF_ALU | BPF_SUB | BPF_X,
                                    BPF_ALU | BPF_MUL | BPF_K,
                                    BPF_ALU | BPF_MUL | BPF_X,
                                    BPF_ALU | BPF_DIV | BPF_K,
                                    BPF_ALU | BPF_DIV | BPF_X,
                                    BPF_ALU | BPF_AND | BPF_K,
                                    BPF_ALU | BPF_AND | BPF_X,
                                    BPF_ALU | BPF_OR | BPF_K,
                                    BPF_ALU | BPF_OR | BPF_X,
                                    BPF_ALU | BPF_XOR | BPF_K,
                                    BPF_ALU | BPF_XOR | BPF_X,
                                    BPF_ALU | BPF_LSH | BPF_K,
                                    BPF_ALU | BPF_RSH | BPF_K,
                                    BPF_ALU | BPF_NEG,
                                    BPF_JMP | BPF_JA,
                                    BPF_JMP | BPF_JEQ | BPF_K,
                                    BPF_JMP | BPF_JGE | BPF_X,
                                    BPF_JMP | BPF_JGT | BPF_K,
                                    BPF_JMP | BPF_JSET | BPF_X,
                                    BPF_JMP | BPF_JSET | BPF_K};

sock_filter RandomInstruction(std::mt19937& random, size_t left) {
  uint16_t code = kOperations[random() % std::size(kOperations)];
  auto jump = [&] { return static_cast<uint8_t>(random() % left); };
  uint32_t k = random() % 3 == 0 ? random() : random() % 70;
  if (code == (BPF_LD | BPF_W | BPF_ABS)) k = random() % 17 * 4;
  if (code == (BPF_JMP | BPF_JA)) k = jump();
  if (BPF_CLASS(code) == BPF_ST || BPF_CLASS(code) == BPF_STX || BPF_MODE(code) == BPF_MEM) k %= 17;
  if (BPF_OP(code) == BPF_LSH || BPF_OP(code) == BPF_RSH) k %= 34;
  return {code, jump(), jump(), k};
}

// In a child; true unless it exits 1.
bool InChild(const std::function<int()>& body) {
  pid_t pid = fork();
  if (pid == 0) {
    rlimit none{};
    setrlimit(RLIMIT_CORE, &none);
    _exit(body());
  }
  int status = 0;
  EXPECT_EQ(waitpid(pid, &status, 0), pid);
  return !WIFEXITED(status) || WEXITSTATUS(status) != 1;
}

long Install(Code& code) {
  sock_fprog program{static_cast<unsigned short>(code.size()), code.data()};
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program);
}

TEST(ProgramFilter, RefusesWhatTheKernelRefuses) {
  std::mt19937 random(20'260'701);
  int accepted = 0;
  const int kPrograms = Times(1'500);
  for (int i = 0; i < kPrograms; ++i) {
    Code code(1 + random() % 6);
    for (size_t at = 0; at + 1 < code.size(); ++at)
      code[at] = RandomInstruction(random, code.size() - at - (random() % 8 == 0 ? 0 : 1));
    code.back() = random() % 10 == 0 ? RandomInstruction(random, 1)
                                     : sock_filter{BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW};
    if (random() % 20 == 0) code[random() % code.size()].code = static_cast<uint16_t>(random());
    bool by_kernel = InChild([&] { return Install(code) == 0 ? 0 : 1; });
    ASSERT_EQ(ProgramFilter::Check(code).has_value(), by_kernel) << "program " << i;
    accepted += by_kernel ? 1 : 0;
  }
  // Neither side of the comparison is empty.
  EXPECT_GT(accepted, kPrograms / 10);
  EXPECT_LT(accepted, kPrograms * 9 / 10);
}

TEST(ProgramFilter, SaysWhatTheKernelSays) {
  std::mt19937 random(20'260'702);
  int compared = 0;
  for (int i = 0; i < Times(1'500); ++i) {
    // Calls other than getppid are allowed; of it, the errno is what the middle computes.
    Code code{{BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(seccomp_data, nr)},
              {BPF_JMP | BPF_JEQ | BPF_K, 1, 0, SYS_getppid},
              {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW}};
    size_t middle = 1 + random() % 12;
    for (size_t at = 0; at < middle; ++at) code.push_back(RandomInstruction(random, middle - at));
    code.insert(code.end(), {{BPF_ALU | BPF_AND | BPF_K, 0, 0, 0x7ff},
                             {BPF_ALU | BPF_OR | BPF_K, 0, 0, SECCOMP_RET_ERRNO},
                             {BPF_RET | BPF_A, 0, 0, 0}});
    std::optional<ProgramFilter> filter = ProgramFilter::Check(code);
    if (!filter) continue;
    // What the address of the instruction is can't be told beforehand.
    bool reads_pc = false;
    for (const sock_filter& insn : code) {
      reads_pc |= insn.code == (BPF_LD | BPF_W | BPF_ABS) && insn.k >= 8 && insn.k < 16;
    }
    if (reads_pc) continue;
    seccomp_data data{};
    data.nr = SYS_getppid;
    data.arch = HostArch().audit_arch;
    for (auto& arg : data.args) arg = static_cast<uint64_t>(random()) << 32 | random();
    int pipes[2];
    ASSERT_EQ(pipe(pipes), 0);
    bool alive = InChild([&] {
      if (Install(code) != 0) return 1;
      errno = 0;
      long result = syscall(SYS_getppid, data.args[0], data.args[1], data.args[2], data.args[3],
                            data.args[4], data.args[5]);
      int said = result == 0 ? 0 : errno;
      (void)!write(pipes[1], &said, sizeof said);
      return 0;
    });
    close(pipes[1]);
    int said = -1;
    ssize_t got = read(pipes[0], &said, sizeof said);
    close(pipes[0]);
    ASSERT_TRUE(alive) << "program " << i;
    uint32_t value = filter->Run(data);
    if (got == 0) {
      // A division by zero, for which the thread is killed.
      ASSERT_EQ(value, SECCOMP_RET_KILL_THREAD) << "program " << i;
    } else {
      ASSERT_EQ(value, SECCOMP_RET_ERRNO | static_cast<uint32_t>(said)) << "program " << i;
    }
    ++compared;
  }
  EXPECT_GT(compared, Times(200));
}

ProgramFilter Always(uint32_t verdict) {
  return *ProgramFilter::Check({{BPF_RET | BPF_K, 0, 0, verdict}});
}

std::shared_ptr<const Confinement> Chain(std::initializer_list<uint32_t> oldest_first) {
  std::shared_ptr<const Confinement> chain;
  for (uint32_t verdict : oldest_first) {
    auto next = std::make_shared<Confinement>();
    next->filter = Always(verdict);
    next->older = std::move(chain);
    chain = std::move(next);
  }
  return chain;
}

TEST(Confinement, TheMostRestrictiveVerdictWinsAndOfEqualsTheNewest) {
  using Kind = FilterVerdict::Kind;
  auto judge = [](std::initializer_list<uint32_t> chain) {
    return JudgeCall(*Chain(chain), seccomp_data{}, false);
  };
  EXPECT_EQ(judge({SECCOMP_RET_ALLOW, SECCOMP_RET_LOG}).kind, Kind::kAllow);
  EXPECT_EQ(judge({SECCOMP_RET_ERRNO | 1, SECCOMP_RET_ERRNO | 2}).data, 2);
  EXPECT_EQ(judge({SECCOMP_RET_ERRNO | 1, SECCOMP_RET_ALLOW}).data, 1);
  EXPECT_EQ(judge({SECCOMP_RET_TRAP | 7, SECCOMP_RET_ERRNO | 2}).kind, Kind::kTrap);
  EXPECT_EQ(judge({SECCOMP_RET_TRAP, SECCOMP_RET_KILL_THREAD}).kind, Kind::kEndsThread);
  EXPECT_EQ(judge({SECCOMP_RET_KILL_PROCESS, SECCOMP_RET_KILL_THREAD}).kind, Kind::kEndsProcess);
  EXPECT_EQ(judge({SECCOMP_RET_TRACE | 3}).data, ENOSYS);
  EXPECT_EQ(judge({SECCOMP_RET_ERRNO | 0xffff}).data, 4095);
  EXPECT_EQ(judge({0x1234'0000}).kind, Kind::kEndsProcess);
}

TEST(Confinement, StrictModeKnowsFewCalls) {
  Confinement strict;
  strict.strict = true;
  EXPECT_EQ(JudgeCall(strict, seccomp_data{}, true).kind, FilterVerdict::Kind::kAllow);
  FilterVerdict verdict = JudgeCall(strict, seccomp_data{}, false);
  EXPECT_EQ(verdict.kind, FilterVerdict::Kind::kEndsThread);
  EXPECT_EQ(verdict.data, SIGKILL);
}

TEST(Confinement, Descent) {
  auto old = Chain({SECCOMP_RET_ALLOW});
  Confinement young;
  young.older = old;
  EXPECT_TRUE(young.IsOrDescendsFrom(old.get()));
  EXPECT_TRUE(young.IsOrDescendsFrom(&young));
  EXPECT_TRUE(young.IsOrDescendsFrom(nullptr));
  EXPECT_FALSE(old->IsOrDescendsFrom(&young));
}

}  // namespace
}  // namespace retake
