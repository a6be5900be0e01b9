// What the kernel writes, call by call, where it isn't obvious.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fake_call.h"

namespace retake {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr uint64_t kA = 0x10000, kB = 0x20000, kC = 0x30000, kD = 0x40000;

// Outputs of a call whose pointers are good. (Those of a call that failed may be the reason.)
std::vector<Range> MappedOutputs(Sys sys, std::initializer_list<uint64_t> args, int64_t result) {
  FakeCall fake(sys, args, result);
  for (uint64_t page : {kA, kB, kC, kD}) fake.memory.Put(page, 0);
  return fake.Outputs();
}

TEST(Outputs, ReadGivesItsResultButNeverMoreThanItsBuffer) {
  EXPECT_THAT(FakeCall(Sys::read, {3, kA, 100}, 42).Outputs(), ElementsAre(Range{kA, 42}));
  EXPECT_THAT(FakeCall(Sys::read, {3, kA, 100}, 0).Outputs(), IsEmpty());
  EXPECT_THAT(FakeCall(Sys::read, {3, kA, 100}, -EAGAIN).Outputs(), IsEmpty());
  // MSG_TRUNC: the result is the datagram's true length.
  EXPECT_THAT(FakeCall(Sys::recvfrom, {3, kA, 100, 0x20, 0, 0}, 5000).Outputs(),
              ElementsAre(Range{kA, 100}));
}

TEST(Outputs, ALargeReadIsKeptWhole) {
  EXPECT_THAT(FakeCall(Sys::pread64, {3, kA, 1u << 30, 0}, 1 << 30).Outputs(),
              ElementsAre(Range{kA, 1u << 30}));
}

TEST(Outputs, AFaultHalfWayGivesWhatIsThere) {
  FakeCall fake(Sys::read, {3, kA + 4000, 8192}, -EFAULT);
  fake.memory.Put(kA, 'x');  // one page only
  EXPECT_THAT(fake.Outputs(), ElementsAre(Range{kA + 4000, 96}));
}

TEST(Outputs, VectorsAreWalkedByTheResult) {
  FakeCall fake(Sys::readv, {3, kA, 3}, 15);
  fake.memory.PutWords(kA, {kB, 10, kC, 10, kD, 10});
  EXPECT_THAT(fake.Outputs(), ElementsAre(Range{kB, 10}, Range{kC, 5}));
}

TEST(Outputs, AHostileVectorIsBounded) {
  FakeCall fake(Sys::readv, {3, kA, ~0ull}, 1 << 20);
  for (uint64_t i = 0; i < 4096; ++i) fake.memory.PutWords(kA + i * 16, {kB, 1});
  EXPECT_EQ(fake.Outputs().size(), 1024u);
  FakeCall unreadable(Sys::readv, {3, kD, 5}, 100);
  EXPECT_THAT(unreadable.Outputs(), IsEmpty());
}

TEST(Outputs, AMessageIsItsHeaderNameControlAndVector) {
  FakeCall fake(Sys::recvmsg, {3, kA, 0}, 12);
  fake.memory.PutWords(kA, {kB, 16, kB + 0x100, 1, kC, 24, 0});
  fake.memory.PutWords(kB + 0x100, {kD, 64});
  fake.memory.Put(kC, 'c');
  EXPECT_THAT(fake.Outputs(),
              ElementsAre(Range{kA, 56}, Range{kB, 16}, Range{kC, 24}, Range{kD, 12}));
}

TEST(Outputs, ManyMessagesByTheirOwnLengths) {
  FakeCall fake(Sys::recvmmsg, {3, kA, 8, 0, 0}, 2);
  for (uint64_t i = 0; i < 2; ++i) {
    fake.memory.PutWords(kA + i * 64, {0, 0, kB + i * 16, 1, 0, 0, 0, 5 + i});
    fake.memory.PutWords(kB + i * 16, {kC + i * 256, 256});
  }
  EXPECT_THAT(fake.Outputs(), ElementsAre(Range{kA, 56}, Range{kA + 56, 4}, Range{kA + 64, 56},
                                          Range{kA + 120, 4}, Range{kC, 5}, Range{kC + 256, 6}));
}

TEST(Outputs, AnAddressIsAsLongAsTheKernelSays) {
  FakeCall fake(Sys::accept4, {3, kA, kB, 0}, 4);
  fake.memory.Put<uint32_t>(kB, 16);
  fake.memory.Put(kA, '\2');
  EXPECT_THAT(fake.Outputs(), ElementsAre(Range{kA, 16}, Range{kB, 4}));
  fake.memory.Put<uint32_t>(kB, 0x7fffffff);
  EXPECT_THAT(fake.Outputs(), ElementsAre(Range{kA, 128}, Range{kB, 4}));
  EXPECT_THAT(FakeCall(Sys::accept, {3, 0, 0}, 4).Outputs(), IsEmpty());
}

TEST(Outputs, AnAddressLongerThanItsMappingIsCut) {
  FakeCall fake(Sys::getsockname, {3, kA + 4096 - 20, kB});
  fake.memory.Put<uint32_t>(kB, 110);
  fake.memory.Put(kA + 4095, 'x');
  EXPECT_THAT(fake.Outputs(), ElementsAre(Range{kA + 4076, 20}, Range{kB, 4}));
}

TEST(Outputs, SleepsWriteTheTimeLeftWhenInterrupted) {
  for (int64_t result : {-EINTR, -512, -513, -514, -516}) {
    EXPECT_THAT(MappedOutputs(Sys::clock_nanosleep, {1, 0, kA, kB}, result),
                ElementsAre(Range{kB, 16}))
        << result;
  }
  EXPECT_THAT(FakeCall(Sys::nanosleep, {kA, kB}, -EINVAL).Outputs(), IsEmpty());
  EXPECT_THAT(FakeCall(Sys::nanosleep, {kA, 0}, -516).Outputs(), IsEmpty());
}

TEST(Outputs, PollsWriteTheirEventsAndTheTimeLeft) {
  EXPECT_THAT(FakeCall(Sys::ppoll, {kA, 3, kB, kC, 8}, 1).Outputs(),
              ElementsAre(Range{kA, 24}, Range{kB, 16}));
  EXPECT_THAT(MappedOutputs(Sys::ppoll, {kA, 3, kB, kC, 8}, -514),
              ElementsAre(Range{kA, 24}, Range{kB, 16}));
  EXPECT_THAT(MappedOutputs(Sys::poll, {kA, 3, 100}, -516), ElementsAre(Range{kA, 24}));
  // An absurd count fails in the kernel; it mustn't become an absurd range here.
  EXPECT_THAT(FakeCall(Sys::poll, {kA, ~0ull, 0}, 0).Outputs(), ElementsAre(Range{kA, 64u << 20}));
}

TEST(Outputs, SelectWritesWholeLongsOfItsSets) {
  FakeCall fake(Sys::select, {65, kA, kB, 0, kC}, 1);
  fake.memory.Put(kA, 'x');
  fake.memory.Put(kB, 'x');
  fake.memory.Put(kC, 'x');
  EXPECT_THAT(fake.Outputs(), ElementsAre(Range{kA, 16}, Range{kB, 16}, Range{kC, 16}));
  fake.call.result = -514;
  EXPECT_THAT(fake.Outputs(), ElementsAre(Range{kC, 16}));
}

TEST(Outputs, EpollEventsHaveTheArchitecturesSize) {
  FakeCall x86(Sys::epoll_pwait, {5, kA, 10, 0, 0, 8}, 3, X86_64Description());
  EXPECT_THAT(x86.Outputs(), ElementsAre(Range{kA, 36}));
  FakeCall arm(Sys::epoll_pwait, {5, kA, 10, 0, 0, 8}, 3, Aarch64Description());
  EXPECT_THAT(arm.Outputs(), ElementsAre(Range{kA, 48}));
}

TEST(Outputs, StatHasTheArchitecturesSize) {
  for (const ArchDescription* arch : {&X86_64Description(), &Aarch64Description()}) {
    FakeCall fake(Sys::newfstatat, {0, kA, kB, 0}, 0, *arch);
    EXPECT_THAT(fake.Outputs(), ElementsAre(Range{kB, arch->abi.stat_size}));
  }
  EXPECT_NE(X86_64Description().abi.stat_size, Aarch64Description().abi.stat_size);
}

TEST(Outputs, OfAFailedCallNeverReachPastMappedMemory) {
  FakeCall waitid(Sys::waitid, {0, 0, kA, 4, 0}, -EFAULT);
  EXPECT_THAT(waitid.Outputs(), IsEmpty());
  FakeCall accept(Sys::accept, {3, 0, kB}, 4);  // the length isn't looked at without an address
  EXPECT_THAT(accept.Outputs(), IsEmpty());
}

TEST(Outputs, WaitidClearsItsInfoEvenWhenItFails) {
  EXPECT_THAT(MappedOutputs(Sys::waitid, {0, 0, kA, 4, 0}, -ECHILD), ElementsAre(Range{kA, 128}));
  EXPECT_THAT(FakeCall(Sys::wait4, {~0ull, kA, 0, kB}, -ECHILD).Outputs(), IsEmpty());
  EXPECT_THAT(FakeCall(Sys::wait4, {~0ull, kA, 0, kB}, 77).Outputs(),
              ElementsAre(Range{kA, 4}, Range{kB, 144}));
}

TEST(Outputs, CloneWritesTheParentsWordsAndTheChildItsOwn) {
  constexpr uint64_t kParentAndChild = 0x01100000;
  FakeCall fake(Sys::clone, {kParentAndChild | 17, 0, kA, kB, 0}, 99);
  fake.memory.Put(kA, 0);
  EXPECT_THAT(fake.Outputs(), ElementsAre(Range{kA, 4}));
  fake.call.result = 0;
  EXPECT_THAT(fake.Outputs(), ElementsAre(Range{kB, 4}));

  FakeCall clone3(Sys::clone3, {kC, 88}, 99);
  clone3.memory.PutWords(kC, {kParentAndChild | 0x1000, kA, kB, kD, 17, 0, 0, 0});
  clone3.memory.Put(kA, 0);
  clone3.memory.Put(kD, 0);
  EXPECT_THAT(clone3.Outputs(), ElementsAre(Range{kA, 4}, Range{kD, 4}));
  clone3.call.result = 0;
  EXPECT_THAT(clone3.Outputs(), ElementsAre(Range{kB, 4}));
}

TEST(Outputs, OfAnUnknownRequestAreUnknown) {
  FakeCall unknown(Sys::ioctl, {3, 0xC0FFEE42, kA});
  EXPECT_TRUE(OutputsUnknown(unknown.row(), unknown.call));
  std::vector<Range> ranges;
  EXPECT_FALSE(OutputRanges(unknown.row(), unknown.call, ranges));
  FakeCall tcgets(Sys::ioctl, {0, 0x5401, kA});
  EXPECT_FALSE(OutputsUnknown(tcgets.row(), tcgets.call));
  EXPECT_THAT(tcgets.Outputs(), ElementsAre(Range{kA, 36}));
  // The high half of a request isn't read by the kernel.
  FakeCall sign_extended(Sys::ioctl, {0, 0xffffffff00005401, kA});
  EXPECT_THAT(sign_extended.Outputs(), ElementsAre(Range{kA, 36}));
  FakeCall semctl(Sys::semctl, {1, 0, 13 /* GETALL */, kA});
  EXPECT_TRUE(OutputsUnknown(semctl.row(), semctl.call));
  FakeCall prctl(Sys::prctl, {123456});
  EXPECT_TRUE(OutputsUnknown(prctl.row(), prctl.call));
}

TEST(Outputs, RequestsWithTheSizeInTheirNumber) {
  FakeCall name(Sys::ioctl, {3, 0x81004506 /* EVIOCGNAME(256) */, kA}, 12);
  EXPECT_THAT(name.Outputs(), ElementsAre(Range{kA, 12}));
}

TEST(Outputs, LocksAreInAndOut) {
  EXPECT_THAT(FakeCall(Sys::fcntl, {3, 5 /* F_GETLK */, kA}).Outputs(), ElementsAre(Range{kA, 32}));
  EXPECT_THAT(FakeCall(Sys::fcntl, {3, 7 /* F_SETLKW */, kA}).Outputs(), IsEmpty());
}

TEST(Outputs, FutexesThatWriteUserWords) {
  EXPECT_THAT(FakeCall(Sys::futex, {kA, 128 /* WAIT_PRIVATE */, 1, 0, 0, 0}).Outputs(), IsEmpty());
  EXPECT_THAT(MappedOutputs(Sys::futex, {kA, 6 /* LOCK_PI */, 0, 0, 0, 0}, -EINTR),
              ElementsAre(Range{kA, 4}));
  EXPECT_THAT(FakeCall(Sys::futex, {kA, 133 /* WAKE_OP_PRIVATE */, 1, 1, kB, 0}, 1).Outputs(),
              ElementsAre(Range{kB, 4}));
}

TEST(Outputs, OffsetsOfFileToFileCopies) {
  EXPECT_THAT(FakeCall(Sys::copy_file_range, {3, kA, 4, kB, 10, 0}, 10).Outputs(),
              ElementsAre(Range{kA, 8}, Range{kB, 8}));
  EXPECT_THAT(FakeCall(Sys::sendfile, {3, 4, 0, 10}, 10).Outputs(), IsEmpty());
}

TEST(Outputs, MessageQueuesPrependTheType) {
  EXPECT_THAT(FakeCall(Sys::msgrcv, {1, kA, 100, 0, 0}, 5).Outputs(), ElementsAre(Range{kA, 13}));
}

TEST(Outputs, NoCallEverYieldsAnAbsurdRange) {
  // Whatever the arguments, ranges stay bounded and OutputRanges doesn't crash.
  for (int i = 0; i < kSysCount; ++i) {
    for (uint64_t fill : {uint64_t{0}, ~uint64_t{0}, uint64_t{1} << 63, kA}) {
      for (int64_t result : {int64_t{0}, int64_t{1} << 40, int64_t{-14}, int64_t{-516}}) {
        FakeCall fake(static_cast<Sys>(i), {fill, fill, fill, fill, fill, fill}, result);
        fake.memory.PutWords(kA, {fill, fill, fill, fill, fill, fill, fill, fill});
        std::vector<Range> ranges;
        OutputRanges(fake.row(), fake.call, ranges);
        InputPreviews(fake.row(), fake.call, ranges);
        for (const Range& range : ranges) {
          EXPECT_LE(range.size, kMaxTransfer) << SysName(fake.call.sys);
          EXPECT_NE(range.address, 0u);
        }
      }
    }
  }
}

}  // namespace
}  // namespace retake
