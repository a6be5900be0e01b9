// The test clock by itself, then as a program under the filter sees it.
#include "world/test_clock.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "supervisor/notify.h"
#include "tests/unit/supervisor/notified_child.h"

namespace retake {
namespace {

constexpr TestClock::Start kStart = {
    .realtime = 5'000'000'123, .monotonic = 70'000'000'456, .tick = 1'000'000};

NotifyCall CallOf(Sys sys, uint64_t first = 0, uint64_t second = 0) {
  NotifyCall call;
  call.sys = sys;
  call.args = {first, second};
  return call;
}

template <typename T>
T Written(const Answer& answer, size_t index = 0) {
  T value{};
  EXPECT_GT(answer.writes.size(), index);
  if (answer.writes.size() > index) {
    EXPECT_EQ(answer.writes[index].bytes.size(), sizeof value);
    memcpy(&value, answer.writes[index].bytes.data(), sizeof value);
  }
  return value;
}

int64_t ValueOf(const Answer& answer) {
  const auto* value = std::get_if<ReturnValue>(&answer.outcome);
  return value != nullptr ? value->value : -std::get<ReturnErrno>(answer.outcome).code;
}

TEST(TestClock, AllItsCallsTellTheSameTime) {
  TestClock clock(kStart);
  EXPECT_EQ(Written<timespec>(clock.Handle(CallOf(Sys::clock_gettime, CLOCK_REALTIME, 8))).tv_nsec,
            123);
  EXPECT_EQ(Written<timespec>(clock.Handle(CallOf(Sys::clock_gettime, CLOCK_MONOTONIC, 8))).tv_sec,
            70);
  EXPECT_EQ(Written<timeval>(clock.Handle(CallOf(Sys::gettimeofday, 8, 0))).tv_sec, 5);
  EXPECT_EQ(ValueOf(clock.Handle(CallOf(Sys::time, 0))), 5);
  EXPECT_EQ(Written<time_t>(clock.Handle(CallOf(Sys::time, 8))), 5);
}

TEST(TestClock, TimePassesWithAnswersAndNotWithQuestions) {
  TestClock clock(kStart);
  const NotifyCall call = CallOf(Sys::clock_gettime, CLOCK_MONOTONIC, 8);
  clock.Handle(call);
  clock.Handle(call);
  EXPECT_EQ(clock.monotonic(), kStart.monotonic);
  clock.Answered(call);
  EXPECT_EQ(clock.monotonic(), kStart.monotonic + kStart.tick);
  EXPECT_EQ(clock.realtime(), kStart.realtime + kStart.tick);
  clock.Answered(CallOf(Sys::clock_getres, CLOCK_MONOTONIC, 8));
  EXPECT_EQ(clock.monotonic(), kStart.monotonic + kStart.tick);
  clock.Advance(500);
  EXPECT_EQ(clock.realtime(), kStart.realtime + kStart.tick + 500);
  EXPECT_EQ(clock.readings(), 1u);
}

TEST(TestClock, ClockIdsExistWhereTheKernelsDo) {
  // What this kernel says of each id, but for clock devices, which the test clock hasn't got.
  TestClock clock(kStart);
  for (int id = -64; id < 32; ++id) {
    if (id < 0 && (id & 3) == 3) continue;
    // The kernel has these only on machines with a clock chip that can wake them.
    if (id == CLOCK_REALTIME_ALARM || id == CLOCK_BOOTTIME_ALARM) continue;
    // CPU clocks of other tasks exist or not; those of the caller (task 0) do.
    if (id < 0 && (~id >> 3) != 0) continue;
    const bool exists = syscall(SYS_clock_getres, id, nullptr) == 0 || errno != EINVAL;
    EXPECT_EQ(ValueOf(clock.Handle(CallOf(Sys::clock_getres, static_cast<uint64_t>(id), 0))) == 0,
              exists)
        << id;
  }
}

// The program's side of S15: what each call gives for every kind of pointer. 0 if all is as it
// should be, else the number of the check that failed. `start` in ns; one tick per reading.
int CheckClockCalls(int64_t realtime, int64_t monotonic, int64_t tick) {
  int64_t readings = 0;
  auto expect = [&](int64_t base) { return base + tick * readings; };
  timespec ts{};
  if (syscall(SYS_clock_gettime, CLOCK_REALTIME, &ts) != 0) return 1;
  if (ts.tv_sec * 1'000'000'000 + ts.tv_nsec != expect(realtime)) return 2;
  ++readings;
  if (syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &ts) != 0) return 3;
  if (ts.tv_sec * 1'000'000'000 + ts.tv_nsec != expect(monotonic)) return 4;
  ++readings;
  timeval tv{};
  int zone[2] = {7, 7};
  if (syscall(SYS_gettimeofday, &tv, zone) != 0) return 5;
  if (tv.tv_sec * 1'000'000 + tv.tv_usec != expect(realtime) / 1000 || zone[0] != 0 || zone[1] != 0)
    return 6;
  ++readings;

  // NULL is safe.
  if (syscall(SYS_gettimeofday, nullptr, nullptr) != 0) return 7;
  ++readings;
  if (syscall(SYS_clock_getres, CLOCK_MONOTONIC, nullptr) != 0) return 8;
  if (syscall(SYS_clock_gettime, CLOCK_REALTIME, nullptr) != -1 || errno != EFAULT) return 9;
  ++readings;

  // A bad pointer gives EFAULT: unmapped, read-only, not canonical.
  const auto page = static_cast<size_t>(getpagesize());
  void* read_only = mmap(nullptr, page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  for (void* bad :
       {reinterpret_cast<void*>(16), read_only, reinterpret_cast<void*>(~uint64_t{0} - 15),
        reinterpret_cast<void*>(uint64_t{1} << 62)}) {
    if (syscall(SYS_clock_gettime, CLOCK_MONOTONIC, bad) != -1 || errno != EFAULT) return 10;
    if (syscall(SYS_gettimeofday, bad, nullptr) != -1 || errno != EFAULT) return 11;
    readings += 2;
    if (syscall(SYS_clock_getres, CLOCK_MONOTONIC, bad) != -1 || errno != EFAULT) return 12;
  }
  if (*static_cast<volatile char*>(read_only) != 0) return 13;
  if (syscall(SYS_clock_gettime, 999, nullptr) != -1 || errno != EINVAL) return 14;
  ++readings;

  // What libc makes of it, however it asks.
  if (clock_gettime(CLOCK_BOOTTIME, &ts) != 0) return 15;
  return 0;
}

TEST(TestClock, S15_AProgramsClockCallsAreAnsweredFromIt) {
  TestClock clock(kStart);
  NotifiedChild child({Sys::clock_gettime, Sys::gettimeofday, Sys::time, Sys::clock_getres}, [] {
    return CheckClockCalls(kStart.realtime, kStart.monotonic, kStart.tick);
  });
  CallHandler* handlers[] = {&clock};
  auto listener = NotifyListener::Start(child.TakeListener(), HostArch(), handlers);
  ASSERT_TRUE(listener.ok()) << listener.error().Message();
  child.Go();
  const int status = child.Wait();
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0) << "the number of the check that failed";
  EXPECT_EQ((*listener)->counts().refused, 0u);
}

}  // namespace
}  // namespace retake
