// The table as a whole: a sane row for each syscall.
#include "syscalls/table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fake_call.h"

namespace retake {
namespace {

TEST(Table, HasARowForEverySyscall) {
  for (int i = 0; i < kSysCount; ++i) {
    auto sys = static_cast<Sys>(i);
    EXPECT_EQ(RowOf(sys).sys, sys) << SysName(sys);
  }
  EXPECT_EQ(RecordDisposition(RowOf(Sys::kNone)), Disposition::kDeny);
  EXPECT_EQ(DenyErrno(RowOf(Sys::kNone)), ENOSYS);
}

TEST(S01_SyscallNumbers, EveryNumberLeadsToItsOwnRow) {
  for (const ArchDescription* arch : {&X86_64Description(), &Aarch64Description()}) {
    int known = 0;
    for (int i = 0; i < kSysCount; ++i) {
      auto sys = static_cast<Sys>(i);
      int number = arch->NumberOf(sys);
      if (number < 0) continue;
      ++known;
      EXPECT_EQ(RowOf(arch->SysOf(number)).sys, sys) << arch->name << " " << SysName(sys);
    }
    EXPECT_GT(known, 300) << arch->name;
  }
}

TEST(Table, ColumnsAreSane) {
  for (int i = 0; i < kSysCount; ++i) {
    const Row& row = RowOf(static_cast<Sys>(i));
    SCOPED_TRACE(SysName(row.sys));
    EXPECT_EQ(row.record == Disposition::kDeny, row.deny_errno != 0);
    if (row.record != Disposition::kStop) {
      EXPECT_FALSE(row.why.empty());
    }
    EXPECT_EQ(row.write != WriteSource::kNone, row.write_fd >= 0);
    if (row.write_fd >= 0) {
      EXPECT_EQ(row.args[row.write_fd].type, Type::kFd);
    }
    if (row.fd == FdEffect::kCloses) {
      EXPECT_EQ(row.args[0].type, Type::kFd);
    }
    if (row.fd == FdEffect::kReplaces) {
      EXPECT_EQ(row.args[1].type, Type::kFd);
    }
    if (row.sub != nullptr) {
      EXPECT_LT(row.sub->selector, row.arg_count);
      EXPECT_LE(row.sub->first_arg, row.arg_count);
    }
    EXPECT_EQ(row.preview_before, row.map == MapEffect::kExec);
    for (int a = 0; a < row.arg_count; ++a) {
      const Arg& arg = row.args[a];
      EXPECT_FALSE(arg.name.empty());
      EXPECT_LT(arg.size.arg, row.arg_count) << arg.name;
      if (arg.IsOutput()) {
        EXPECT_NE(arg.size.kind, Sized::kNone) << arg.name;
      }
      if (arg.type == Type::kFlags || arg.type == Type::kEnum) {
        EXPECT_NE(arg.set, Set::kNone) << arg.name;
      }
    }
  }
}

TEST(Table, RequestsAreSane) {
  for (int i = 0; i < kSysCount; ++i) {
    const Row& row = RowOf(static_cast<Sys>(i));
    if (row.sub == nullptr) continue;
    for (const SubRow& request : row.sub->rows) {
      SCOPED_TRACE(std::string(request.name));
      EXPECT_EQ(request.value & ~(request.mask & row.sub->mask), 0u) << "can never match";
      EXPECT_LE(row.sub->first_arg + request.arg_count, 6);
      FakeCall fake(row.sys, {});
      fake.call.args[row.sub->selector] = request.value;
      const SubRow* found = RequestOf(row, fake.call);
      ASSERT_NE(found, nullptr);
      EXPECT_EQ(found->name, request.name) << "two requests of one number";
      for (int a = 0; a < request.arg_count; ++a) {
        const Arg& arg = request.args[a];
        EXPECT_LT(arg.size.arg, row.sub->first_arg + request.arg_count) << arg.name;
        if (arg.IsOutput()) {
          EXPECT_NE(arg.size.kind, Sized::kNone) << arg.name;
        }
      }
    }
  }
}

TEST(Table, WhatCannotBeRecordedIsDenied) {
  for (Sys sys : {Sys::io_uring_setup, Sys::io_setup, Sys::io_submit, Sys::rseq, Sys::userfaultfd,
                  Sys::memfd_secret, Sys::map_shadow_stack}) {
    EXPECT_EQ(RecordDisposition(RowOf(sys)), Disposition::kDeny) << SysName(sys);
    EXPECT_EQ(DenyErrno(RowOf(sys)), ENOSYS) << SysName(sys);
  }
  EXPECT_EQ(DenyErrno(RowOf(Sys::ptrace)), EPERM);
  EXPECT_EQ(RecordDisposition(RowOf(Sys::clone3)), Disposition::kStop);
}

TEST(Table, EffectsOfMultiplexedCallsFollowTheRequest) {
  FakeCall dup(Sys::fcntl, {3, 1030 /* F_DUPFD_CLOEXEC */, 0}, 4);
  EXPECT_EQ(FdEffectOf(dup.row(), dup.call), FdEffect::kOpens);
  FakeCall getfl(Sys::fcntl, {3, 3 /* F_GETFL */, 0}, 2);
  EXPECT_EQ(FdEffectOf(getfl.row(), getfl.call), FdEffect::kNone);
  FakeCall amx(Sys::arch_prctl, {0x1023, 18});
  EXPECT_EQ(MapEffectOf(amx.row(), amx.call), MapEffect::kExecuted);
  FakeCall set_fs(Sys::arch_prctl, {0x1002, 0x7000});
  EXPECT_EQ(MapEffectOf(set_fs.row(), set_fs.call), MapEffect::kNone);
  FakeCall map(Sys::mmap, {0, 4096, 3, 0x22, ~0ull, 0}, 0x7000);
  EXPECT_EQ(MapEffectOf(map.row(), map.call), MapEffect::kMap);
}

}  // namespace
}  // namespace retake
