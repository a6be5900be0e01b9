// Checks the filter's verdicts with an interpreter of classic BPF, for every number, architecture
// and instruction pointer that matters; with libseccomp's program as an oracle; and with the
// kernel's own word on what it stops.
#include "supervisor/filter.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <map>
#include <memory>
#include <random>

#include "stub/layout.h"

namespace retake {
namespace {

constexpr uint64_t kProgramPc = 0x5555'5555'1234;
constexpr uint32_t kNoVerdict = 0xdead'0000;  // ran off the end, or an instruction that isn't one

// Classic BPF as seccomp(2) allows it, as far as our programs and libseccomp's use it.
uint32_t Interpret(const std::vector<sock_filter>& program, const seccomp_data& data) {
  uint32_t a = 0;
  for (size_t pc = 0; pc < program.size(); ++pc) {
    const sock_filter& insn = program[pc];
    bool taken = false;
    switch (insn.code) {
      case BPF_LD | BPF_W | BPF_ABS:
        if (insn.k % 4 != 0 || insn.k + 4 > sizeof data) return kNoVerdict;
        memcpy(&a, reinterpret_cast<const char*>(&data) + insn.k, 4);
        continue;
      case BPF_ALU | BPF_AND | BPF_K:
        a &= insn.k;
        continue;
      case BPF_RET | BPF_K:
        return insn.k;
      case BPF_JMP | BPF_JA:
        pc += insn.k;
        continue;
      case BPF_JMP | BPF_JEQ | BPF_K:
        taken = a == insn.k;
        break;
      case BPF_JMP | BPF_JGT | BPF_K:
        taken = a > insn.k;
        break;
      case BPF_JMP | BPF_JGE | BPF_K:
        taken = a >= insn.k;
        break;
      case BPF_JMP | BPF_JSET | BPF_K:
        taken = (a & insn.k) != 0;
        break;
      default:
        return kNoVerdict;
    }
    pc += taken ? insn.jt : insn.jf;
  }
  return kNoVerdict;
}

uint32_t Verdict(const std::vector<sock_filter>& program, uint32_t audit_arch, uint32_t number,
                 uint64_t pc) {
  seccomp_data data{};
  data.nr = static_cast<int>(number);
  data.arch = audit_arch;
  data.instruction_pointer = pc;
  return Interpret(program, data);
}

uint32_t Traced(uint16_t data) { return SECCOMP_RET_TRACE | data; }

uint32_t Expected(Disposition disposition) {
  static const std::map<Disposition, uint32_t> verdicts = {
      {Disposition::kAllow, SECCOMP_RET_ALLOW},       {Disposition::kStub, Traced(kStopCall)},
      {Disposition::kNotify, SECCOMP_RET_USER_NOTIF}, {Disposition::kStop, Traced(kStopCall)},
      {Disposition::kDeny, Traced(kDeniedCall)},
  };
  return verdicts.at(disposition);
}

bool IsVsyscall(Sys sys) {
  return sys == Sys::gettimeofday || sys == Sys::time || sys == Sys::getcpu;
}

// Options where neighbouring numbers rarely agree, the worst case for the search.
FilterOptions MixedOptions(unsigned seed) {
  std::mt19937 random(seed);
  FilterOptions options;
  for (int i = 0; i < kSysCount; ++i) {
    options.dispositions[i] = static_cast<Disposition>(random() % 5);
    if (IsVsyscall(static_cast<Sys>(i))) options.dispositions[i] = Disposition::kStop;
  }
  return options;
}

std::vector<sock_filter> Build(const ArchDescription& arch, const FilterOptions& options) {
  auto program = BuildFilter(arch, options);
  EXPECT_TRUE(program.ok()) << (program.ok() ? "" : program.error().Message());
  return program.ok() ? program.TakeValue() : std::vector<sock_filter>{};
}

class FilterOfEachArch : public testing::TestWithParam<const ArchDescription*> {
 protected:
  const ArchDescription& arch() const { return *GetParam(); }
};

TEST_P(FilterOfEachArch, EveryNumberGetsTheVerdictOfItsRow) {
  for (unsigned seed : {1u, 2u, 3u}) {
    FilterOptions options = MixedOptions(seed);
    const auto program = Build(arch(), options);
    for (uint32_t number = 0; number < 2048; ++number) {
      const Sys sys = arch().SysOf(number);
      const uint32_t expected = sys == Sys::kNone ? Traced(kUnknownCall) : Expected(options[sys]);
      ASSERT_EQ(Verdict(program, arch().audit_arch, number, kProgramPc), expected)
          << arch().name << " " << number << " " << SysName(sys);
    }
  }
}

TEST_P(FilterOfEachArch, NumbersBeyondTheTableAreUnknown) {
  const auto program = Build(arch(), UniformFilter(Disposition::kAllow));
  for (uint32_t number : {5000u, 0x3fff'ffffu, 0x8000'0000u, 0xc000'0000u, 0xffff'ffffu}) {
    EXPECT_EQ(Verdict(program, arch().audit_arch, number, kProgramPc), Traced(kUnknownCall))
        << std::hex << number;
  }
}

TEST_P(FilterOfEachArch, S02_ForeignCallsAreNeverLetThrough) {
  const auto program = Build(arch(), UniformFilter(Disposition::kAllow));
  // A program could jump into the stub's page to make its foreign call there.
  for (uint64_t pc : {kProgramPc, kStubAddress + 8}) {
    for (uint32_t foreign : {uint32_t{AUDIT_ARCH_I386}, uint32_t{AUDIT_ARCH_ARM}, AUDIT_ARCH_X86_64,
                             AUDIT_ARCH_AARCH64, 0u}) {
      if (foreign == arch().audit_arch) continue;
      for (uint32_t number : {0u, 1u, 11u, 60u, 221u, 0x4000'0000u, 0xffff'ffffu}) {
        EXPECT_EQ(Verdict(program, foreign, number, pc), Traced(kForeignArchCall))
            << std::hex << foreign;
      }
    }
    for (uint32_t number : {0x4000'0000u, 0x4000'0001u, 0x4000'0209u, 0x7fff'ffffu}) {
      EXPECT_EQ(Verdict(program, arch().audit_arch, number, pc), Traced(kForeignAbiCall))
          << std::hex << number;
    }
  }
}

TEST_P(FilterOfEachArch, TheGateLetsTheStubsCallsThroughAndNobodyElses) {
  FilterOptions options = UniformFilter(Disposition::kStop);
  const auto gated = Build(arch(), options);
  options.gate = false;
  const auto ungated = Build(arch(), options);
  const uint32_t number = static_cast<uint32_t>(arch().NumberOf(Sys::openat));

  // The pc lies behind the instruction.
  for (uint64_t pc :
       {kStubAddress + 2, kStubAddress + 4, kStubAddress + 0x8000, kStubAddress + kStubCodeSize}) {
    EXPECT_EQ(Verdict(gated, arch().audit_arch, number, pc), SECCOMP_RET_ALLOW) << std::hex << pc;
    EXPECT_EQ(Verdict(gated, arch().audit_arch, 4000, pc), SECCOMP_RET_ALLOW) << std::hex << pc;
    EXPECT_EQ(Verdict(ungated, arch().audit_arch, number, pc), Traced(kStopCall)) << std::hex << pc;
  }
  for (uint64_t pc :
       {uint64_t{0}, kStubAddress - 1, kStubAddress, kStubDataAddress + 1, kStubEnd, kProgramPc,
        kStubAddress + 8 + (uint64_t{1} << 32), kStubAddress + 8 + (uint64_t{1} << 63),
        uint64_t{0xffffffffff600400}, uint64_t{0xffffffffff600000}, ~uint64_t{0}}) {
    EXPECT_EQ(Verdict(gated, arch().audit_arch, number, pc), Traced(kStopCall)) << std::hex << pc;
  }
}

TEST_P(FilterOfEachArch, CallsOfTheVsyscallPageAreCaughtWhateverTheirDisposition) {
  const auto program = Build(arch(), UniformFilter(Disposition::kAllow));
  const auto notified = Build(arch(), UniformFilter(Disposition::kNotify));
  for (Sys sys : {Sys::gettimeofday, Sys::time, Sys::getcpu}) {
    if (arch().NumberOf(sys) < 0) continue;
    const uint32_t number = static_cast<uint32_t>(arch().NumberOf(sys));
    for (uint64_t pc : {kProgramPc, uint64_t{0xffffffffff600000}, uint64_t{0xffffffffff600400}}) {
      EXPECT_EQ(Verdict(program, arch().audit_arch, number, pc), Traced(kStopCall)) << SysName(sys);
      EXPECT_EQ(Verdict(notified, arch().audit_arch, number, pc), SECCOMP_RET_USER_NOTIF)
          << SysName(sys);
    }
  }
  EXPECT_EQ(Verdict(program, arch().audit_arch, static_cast<uint32_t>(arch().NumberOf(Sys::openat)),
                    kProgramPc),
            SECCOMP_RET_ALLOW);
}

INSTANTIATE_TEST_SUITE_P(Arch, FilterOfEachArch,
                         testing::Values(&X86_64Description(), &Aarch64Description()),
                         [](const auto& param) { return std::string(param.param->name); });

// The same dispositions given to libseccomp, as an oracle that shares no code with ours.
TEST(Filter, AgreesWithLibseccomp) {
  const ArchDescription& arch = HostArch();
  FilterOptions options = MixedOptions(7);
  options.gate = false;
  const auto ours = Build(arch, options);

  // libseccomp refuses what this kernel can't do (an emulator's can do little); the program isn't
  // installed here.
  ASSERT_EQ(seccomp_api_set(6), 0);
  std::unique_ptr<void, void (*)(void*)> context(seccomp_init(SCMP_ACT_TRACE(kUnknownCall)),
                                                 seccomp_release);
  ASSERT_TRUE(context);
  ASSERT_EQ(
      seccomp_attr_set(context.get(), SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_TRACE(kForeignArchCall)),
      0);
  ASSERT_EQ(seccomp_attr_set(context.get(), SCMP_FLTATR_CTL_OPTIMIZE, 2), 0);
  for (int i = 0; i < kSysCount; ++i) {
    const int number = arch.NumberOf(static_cast<Sys>(i));
    if (number < 0) continue;
    ASSERT_EQ(seccomp_rule_add_exact(context.get(), Expected(options.dispositions[i]), number, 0),
              0)
        << SysName(static_cast<Sys>(i));
  }
  Fd file(memfd_create("filter", MFD_CLOEXEC));
  ASSERT_TRUE(file);
  ASSERT_EQ(seccomp_export_bpf(context.get(), file.get()), 0);
  const off_t bytes = lseek(file.get(), 0, SEEK_END);
  std::vector<sock_filter> theirs(static_cast<size_t>(bytes) / sizeof(sock_filter));
  ASSERT_EQ(pread(file.get(), theirs.data(), static_cast<size_t>(bytes), 0), bytes);

  for (uint32_t number = 0; number < 4096; ++number) {
    ASSERT_EQ(Verdict(ours, arch.audit_arch, number, kProgramPc),
              Verdict(theirs, arch.audit_arch, number, kProgramPc))
        << number;
  }
}

// --- Installed ---

// Runs `body` in a child traced with PTRACE_O_TRACESECCOMP; gives the data of each seccomp stop,
// then the wait status it ended with.
struct TracedRun {
  std::vector<unsigned long> stops;
  int status = -1;
};
TracedRun RunTraced(void (*body)()) {
  const pid_t pid = fork();
  if (pid == 0) {
    alarm(20);
    ptrace(PTRACE_TRACEME, 0, 0, 0);
    raise(SIGSTOP);
    body();
    _exit(0);
  }
  TracedRun run;
  waitpid(pid, &run.status, 0);
  ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESECCOMP | PTRACE_O_EXITKILL);
  ptrace(PTRACE_CONT, pid, 0, 0);
  while (waitpid(pid, &run.status, 0) == pid && WIFSTOPPED(run.status)) {
    int signal = WSTOPSIG(run.status);
    if (run.status >> 8 == (SIGTRAP | (PTRACE_EVENT_SECCOMP << 8))) {
      unsigned long data = 0;
      ptrace(PTRACE_GETEVENTMSG, pid, 0, &data);
      run.stops.push_back(data);
      signal = 0;
    }
    ptrace(PTRACE_CONT, pid, 0, signal);
  }
  return run;
}

TEST(Filter, S02_TheKernelTakesItAndStopsWithTheReason) {
  ASSERT_EQ(X86_64Description().audit_arch, 0xC000003Eu);
  ASSERT_EQ(Aarch64Description().audit_arch, 0xC00000B7u);
  const TracedRun run = RunTraced([] {
    FilterOptions options = UniformFilter(Disposition::kAllow);
    options[Sys::getppid] = Disposition::kStop;
    options[Sys::getsid] = Disposition::kDeny;
    auto program = BuildFilter(HostArch(), options);
    if (!program.ok() || !InstallFilter(*program, PreferredFilterFlags(), false).ok()) _exit(9);
    syscall(SYS_getpid);
    syscall(SYS_getppid);
    syscall(SYS_getsid, 0);
    syscall(4000);
    syscall(static_cast<long>(kForeignAbiBit) + 1, -1, nullptr, 0);
  });
  EXPECT_EQ(run.status, 0);
  EXPECT_EQ(run.stops,
            (std::vector<unsigned long>{kStopCall, kDeniedCall, kUnknownCall, kForeignAbiCall}));
}

TEST(Filter, WithoutATracerStoppedCallsFailInsteadOfRunning) {
  const pid_t pid = fork();
  if (pid == 0) {
    FilterOptions options = UniformFilter(Disposition::kAllow);
    options[Sys::getppid] = Disposition::kStop;
    auto program = BuildFilter(HostArch(), options);
    if (!program.ok() || !InstallFilter(*program, 0, false).ok()) _exit(9);
    _exit(syscall(SYS_getppid) == -1 && errno == ENOSYS ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(waitpid(pid, &status, 0), pid);
  EXPECT_EQ(status, 0);
}

TEST(Filter, AListenerIsGivenWithAndWithoutTheOptionalFlags) {
  for (uint32_t flags :
       {0u, static_cast<uint32_t>(SECCOMP_FILTER_FLAG_SPEC_ALLOW), PreferredFilterFlags()}) {
    const pid_t pid = fork();
    if (pid == 0) {
      FilterOptions options = UniformFilter(Disposition::kAllow);
      options[Sys::getppid] = Disposition::kNotify;
      auto program = BuildFilter(HostArch(), options);
      if (!program.ok()) _exit(8);
      auto listener = InstallFilter(*program, flags, true);
      if (!listener.ok() || !listener->valid()) _exit(9);
      if ((fcntl(listener->get(), F_GETFD) & FD_CLOEXEC) == 0) _exit(10);
      auto second = InstallFilter(*program, flags, false);
      _exit(second.ok() && !second->valid() ? 0 : 11);
    }
    int status = -1;
    ASSERT_EQ(waitpid(pid, &status, 0), pid);
    EXPECT_EQ(status, 0) << flags;
  }
}

TEST(Filter, ARefusedProgramIsAnErrorThatSaysSo) {
  const pid_t pid = fork();
  if (pid == 0) {
    const std::vector<sock_filter> no_return = {{BPF_LD | BPF_W | BPF_ABS, 0, 0, 0}};
    auto installed = InstallFilter(no_return, PreferredFilterFlags(), true);
    _exit(!installed.ok() && installed.error().code() == EINVAL ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(waitpid(pid, &status, 0), pid);
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace retake
