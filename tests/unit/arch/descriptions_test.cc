// The descriptions against what both architectures' own headers say. The values are read from the
// headers by each architecture's compiler at build time (cmake/HeaderValues.cmake).
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "arch/arch.h"

namespace retake {
namespace {

struct Headers {
  const ArchDescription* arch;
  std::map<std::string, int64_t> syscalls;
  std::map<std::string, int64_t> values;
};

#define RETAKE_HEADER_SYSCALL(name, number) headers.syscalls[name] = number;
#define RETAKE_HEADER_VALUE(name, value) headers.values[name] = value;

std::vector<Headers> AllHeaders() {
  std::vector<Headers> all;
#ifdef RETAKE_HEADERS_x86_64
  {
    Headers headers{.arch = &X86_64Description()};
#include "x86_64.inc"
    all.push_back(headers);
  }
#endif
#ifdef RETAKE_HEADERS_aarch64
  {
    Headers headers{.arch = &Aarch64Description()};
#include "aarch64.inc"
    all.push_back(headers);
  }
#endif
  return all;
}

TEST(Headers, OfTheHostAreAmongThem) {
  std::vector<Headers> all = AllHeaders();
  EXPECT_TRUE(std::any_of(all.begin(), all.end(),
                          [](const Headers& headers) { return headers.arch == &HostArch(); }));
}

TEST(S01_SyscallNumbers, NoneOfTheHeadersIsMissing) {
  for (const Headers& headers : AllHeaders()) {
    SCOPED_TRACE(headers.arch->name);
    EXPECT_GT(headers.syscalls.size(), 250u);
    for (const auto& [name, number] : headers.syscalls) {
      Sys sys = SysByName(name);
      EXPECT_NE(sys, Sys::kNone) << name << " (" << number << ") has no line";
      EXPECT_EQ(headers.arch->NumberOf(sys), number) << name;
      EXPECT_EQ(headers.arch->SysOf(number), sys) << name;
    }
  }
}

TEST(S01_SyscallNumbers, NoLineContradictsTheHeaders) {
  for (const Headers& headers : AllHeaders()) {
    SCOPED_TRACE(headers.arch->name);
    int64_t newest = 0;
    for (const auto& [name, number] : headers.syscalls) newest = std::max(newest, number);
    for (int i = 0; i < kSysCount; ++i) {
      auto sys = static_cast<Sys>(i);
      int number = headers.arch->NumberOf(sys);
      auto found = headers.syscalls.find(std::string(SysName(sys)));
      if (found != headers.syscalls.end()) {
        EXPECT_EQ(number, found->second) << SysName(sys);
      } else {
        // Not in these headers: either this architecture hasn't got it, or it is newer than they.
        // x86_64 alone has numbers of its own left: 335 to 423 (arch/x86/entry/syscalls/
        // syscall_64.tbl: "don't use numbers 387 through 423"; uretprobe took 335 in Linux 6.11).
        bool own = headers.arch->id == ArchId::kX86_64 && number >= 335 && number < 387;
        EXPECT_TRUE(number == -1 || number > newest || own) << SysName(sys) << " is " << number;
      }
    }
  }
}

TEST(S01_SyscallNumbers, NewCallsHaveOneNumberOnBoth) {
  // From 424 (pidfd_send_signal, Linux 5.1) on, all architectures share their numbers.
  for (int i = 0; i < kSysCount; ++i) {
    auto sys = static_cast<Sys>(i);
    int x86_64 = X86_64Description().NumberOf(sys);
    int aarch64 = Aarch64Description().NumberOf(sys);
    if (std::max(x86_64, aarch64) >= 424) {
      EXPECT_EQ(x86_64, aarch64) << SysName(sys);
    }
  }
}

TEST(S01_SyscallNumbers, NoNumberAndNoNameTwice) {
  for (const ArchDescription* arch : {&X86_64Description(), &Aarch64Description()}) {
    std::set<int> numbers;
    std::set<std::string_view> names;
    for (int i = 0; i < kSysCount; ++i) {
      auto sys = static_cast<Sys>(i);
      EXPECT_TRUE(names.insert(SysName(sys)).second) << SysName(sys);
      EXPECT_EQ(SysByName(SysName(sys)), sys);
      int number = arch->NumberOf(sys);
      if (number < 0) continue;
      EXPECT_TRUE(numbers.insert(number).second) << arch->name << " " << SysName(sys);
      EXPECT_EQ(arch->SysOf(number), sys);
    }
  }
}

TEST(SyscallNumbers, OutsideTheTableThereIsNone) {
  for (const ArchDescription* arch : {&X86_64Description(), &Aarch64Description()}) {
    for (int64_t number : {int64_t{-1}, int64_t{-4096}, int64_t{1023}, int64_t{1024},
                           int64_t{0x40000000}, INT64_MAX, INT64_MIN}) {
      EXPECT_EQ(arch->SysOf(number), Sys::kNone) << number;
    }
    EXPECT_EQ(arch->NumberOf(Sys::kNone), -1);
    EXPECT_EQ(arch->NumberOf(static_cast<Sys>(0xffff)), -1);
  }
  EXPECT_EQ(SysName(Sys::kNone), "?");
  EXPECT_EQ(SysByName("no_such_call"), Sys::kNone);
  EXPECT_EQ(SysByName(""), Sys::kNone);
}

TEST(S04_LegacyCalls, AreOptional) {
  // Exactly these of the old path calls exist on one architecture only.
  constexpr Sys kLegacy[] = {
      Sys::open,   Sys::stat,  Sys::lstat,  Sys::access,  Sys::readlink, Sys::getdents, Sys::unlink,
      Sys::rmdir,  Sys::mkdir, Sys::rename, Sys::symlink, Sys::link,     Sys::chmod,    Sys::chown,
      Sys::lchown, Sys::vfork, Sys::fork,   Sys::creat,   Sys::utime,    Sys::utimes,
  };
  for (Sys sys : kLegacy) {
    EXPECT_GE(X86_64Description().NumberOf(sys), 0) << SysName(sys);
    EXPECT_EQ(Aarch64Description().NumberOf(sys), -1) << SysName(sys);
  }
}

TEST(S02_FilterConstants, AreTheHeaders) {
  EXPECT_EQ(X86_64Description().audit_arch, 0xC000003Eu);
  EXPECT_EQ(Aarch64Description().audit_arch, 0xC00000B7u);
  for (const Headers& headers : AllHeaders()) {
    SCOPED_TRACE(headers.arch->name);
    EXPECT_EQ(headers.values.at("audit_arch"), headers.arch->audit_arch);
    EXPECT_EQ(headers.values.at("elf_machine"), headers.arch->elf_machine);
  }
}

std::map<std::string, int64_t> DescribedValues(const ArchDescription& arch) {
  const AbiLayout& abi = arch.abi;
  const FlagValues& flags = arch.flags;
  return {
      {"stat_size", abi.stat_size},
      {"libc_stat_size", abi.stat_size},
      {"statfs_size", abi.statfs_size},
      {"epoll_event_size", abi.epoll_event_size},
      {"ksigaction_size", abi.ksigaction_size},
      {"ksigaction_flags_offset", abi.ksigaction_flags_offset},
      {"ksigaction_mask_offset", abi.ksigaction_mask_offset},
      {"has_sa_restorer", abi.has_sa_restorer},
      {"msghdr_size", abi.msghdr_size},
      {"flock_size", abi.flock_size},
      {"termios_size", abi.termios_size},
      {"utsname_size", abi.utsname_size},
      {"rusage_size", abi.rusage_size},
      {"sysinfo_size", abi.sysinfo_size},
      {"stat_mode_offset", abi.stat_mode_offset},
      {"stat_rdev_offset", abi.stat_rdev_offset},
      {"o_directory", flags.o_directory},
      {"libc_o_directory", flags.o_directory},
      {"o_nofollow", flags.o_nofollow},
      {"libc_o_nofollow", flags.o_nofollow},
      {"o_direct", flags.o_direct},
      {"libc_o_direct", flags.o_direct},
      {"o_largefile", flags.o_largefile},
      {"map_32bit", flags.map_32bit},
      {"audit_arch", arch.audit_arch},
      {"elf_machine", arch.elf_machine},
  };
}

TEST(S18_AbiValues, AreTheHeaders) {
  for (const Headers& headers : AllHeaders()) {
    SCOPED_TRACE(headers.arch->name);
    std::map<std::string, int64_t> described = DescribedValues(*headers.arch);
    for (const auto& [name, value] : described) {
      ASSERT_TRUE(headers.values.count(name)) << name;
      EXPECT_EQ(headers.values.at(name), value) << name;
    }
    // And nothing that the headers were asked for is left uncompared.
    for (const auto& [name, value] : headers.values) {
      EXPECT_TRUE(described.count(name) || name.starts_with("shared_")) << name;
    }
  }
}

TEST(S18_AbiValues, WhatIsUsedAsSharedIsShared) {
  std::vector<Headers> all = AllHeaders();
  int compared = 0;
  for (const auto& [name, value] : all.front().values) {
    if (!name.starts_with("shared_")) continue;
    ++compared;
    for (const Headers& headers : all) EXPECT_EQ(headers.values.at(name), value) << name;
  }
  EXPECT_GT(compared, 20);
}

TEST(Descriptions, AreFoundByTheirArchiveByte) {
  EXPECT_EQ(DescriptionOf(ArchId::kX86_64), &X86_64Description());
  EXPECT_EQ(DescriptionOf(ArchId::kAarch64), &Aarch64Description());
  EXPECT_EQ(DescriptionOf(static_cast<ArchId>(0)), nullptr);
  EXPECT_EQ(DescriptionOf(static_cast<ArchId>(3)), nullptr);
}

TEST(Descriptions, IndicesAgreeWithRoles) {
  for (const ArchDescription* arch : {&X86_64Description(), &Aarch64Description()}) {
    SCOPED_TRACE(arch->name);
    ASSERT_LE(arch->registers.size(), Registers::kMaxWords);
    EXPECT_EQ(arch->registers[arch->pc].role, RegisterRole::kPc);
    EXPECT_EQ(arch->registers[arch->sp].role, RegisterRole::kSp);
    EXPECT_EQ(arch->registers[arch->result].role, RegisterRole::kResult);
    EXPECT_EQ(arch->registers[arch->syscall].role, RegisterRole::kSyscall);
    std::set<uint8_t> args(arch->args.begin(), arch->args.end());
    EXPECT_EQ(args.size(), arch->args.size());
    std::set<std::string_view> names;
    for (const RegisterInfo& info : arch->registers) {
      EXPECT_TRUE(names.insert(info.name).second) << info.name;
    }
  }
}

TEST(S14_VdsoSymbols, AreNamedAsEachArchitectureNamesThem) {
  for (const VdsoSymbol& symbol : X86_64Description().vdso_symbols) {
    std::string_view plain = symbol.name;
    if (plain.starts_with("__vdso_")) plain.remove_prefix(7);
    EXPECT_EQ(SysByName(plain), symbol.sys);
    EXPECT_GE(X86_64Description().NumberOf(symbol.sys), 0);
  }
  for (const VdsoSymbol& symbol : Aarch64Description().vdso_symbols) {
    ASSERT_TRUE(symbol.name.starts_with("__kernel_"));
    EXPECT_EQ(SysByName(symbol.name.substr(9)), symbol.sys);
    EXPECT_GE(Aarch64Description().NumberOf(symbol.sys), 0);
  }
}

}  // namespace
}  // namespace retake
