// The test clock by itself, then as a program under the filter sees it.
#include "world/test_clock.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <fstream>
#include <functional>
#include <span>
#include <string>

#include "arch/vdso_elf.h"
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

// How a program asks for the time: by plain calls, or through functions of the vDSO. A function's
// result is the kernel's: -errno.
struct ClockCalls {
  std::function<long(long id, void* time)> gettime;
  std::function<long(long id, void* resolution)> getres;
  std::function<long(void* time, void* zone)> gettimeofday;
  std::function<long(void* seconds)> time;  // none where the architecture hasn't got it
};

ClockCalls PlainCalls() {
  auto call = [](Sys sys) {
    return [number = HostArch().NumberOf(sys)](auto... args) -> long {
      const long result = syscall(number, args...);
      return result == -1 ? -errno : result;
    };
  };
  ClockCalls calls{call(Sys::clock_gettime), call(Sys::clock_getres), call(Sys::gettimeofday),
                   nullptr};
  if (HostArch().NumberOf(Sys::time) >= 0) calls.time = call(Sys::time);
  return calls;
}

// The program's side of S15: what each call gives for every kind of pointer, from a clock started
// at kStart. 0 if all is as it should be, else the number of the check that failed. Counts
// readings.
int CheckClockCalls(const ClockCalls& calls, int64_t& readings) {
  auto now = [&readings](int64_t start) { return start + kStart.tick * readings; };
  timespec ts{};
  if (calls.gettime(CLOCK_REALTIME, &ts) != 0) return 1;
  if (ts.tv_sec * 1'000'000'000 + ts.tv_nsec != now(kStart.realtime)) return 2;
  ++readings;
  if (calls.gettime(CLOCK_MONOTONIC, &ts) != 0) return 3;
  if (ts.tv_sec * 1'000'000'000 + ts.tv_nsec != now(kStart.monotonic)) return 4;
  ++readings;
  timeval tv{};
  int zone[2] = {7, 7};
  if (calls.gettimeofday(&tv, zone) != 0) return 5;
  if (tv.tv_sec * 1'000'000 + tv.tv_usec != now(kStart.realtime) / 1000) return 6;
  if (zone[0] != 0 || zone[1] != 0) return 7;
  ++readings;
  ts = {9, 9};
  if (calls.getres(CLOCK_MONOTONIC, &ts) != 0 || ts.tv_sec != 0 || ts.tv_nsec != 1) return 8;

  // NULL is safe.
  if (calls.gettimeofday(nullptr, nullptr) != 0) return 9;
  if (calls.gettime(CLOCK_REALTIME, nullptr) != -EFAULT) return 10;
  readings += 2;
  if (calls.getres(CLOCK_MONOTONIC, nullptr) != 0) return 11;

  // A bad pointer gives EFAULT: unmapped, read-only, wrapping, not canonical.
  const auto page = static_cast<size_t>(getpagesize());
  void* read_only = mmap(nullptr, page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  for (void* bad :
       {reinterpret_cast<void*>(16), read_only, reinterpret_cast<void*>(~uint64_t{0} - 15),
        reinterpret_cast<void*>(uint64_t{1} << 62)}) {
    if (calls.gettime(CLOCK_MONOTONIC, bad) != -EFAULT) return 12;
    if (calls.gettimeofday(bad, nullptr) != -EFAULT) return 13;
    readings += 2;
    if (calls.getres(CLOCK_MONOTONIC, bad) != -EFAULT) return 14;
    if (calls.time && calls.time(bad) != -EFAULT) return 15;
    readings += calls.time ? 1 : 0;
  }
  if (*static_cast<volatile char*>(read_only) != 0) return 16;
  if (calls.gettime(999, &ts) != -EINVAL) return 17;
  ++readings;
  if (calls.time) {
    if (calls.time(nullptr) != now(kStart.realtime) / 1'000'000'000) return 18;
    ++readings;
    int64_t seconds = 0;
    if (calls.time(&seconds) != now(kStart.realtime) / 1'000'000'000) return 19;
    if (seconds != now(kStart.realtime) / 1'000'000'000) return 20;
    ++readings;
  }
  return 0;
}

// Runs `body` in a child whose clock calls `clock` answers.
void ExpectChildAgrees(TestClock& clock, std::function<int()> body) {
  NotifiedChild child({Sys::clock_gettime, Sys::gettimeofday, Sys::time, Sys::clock_getres},
                      std::move(body));
  CallHandler* handlers[] = {&clock};
  auto listener = NotifyListener::Start(child.TakeListener(), HostArch(), handlers);
  ASSERT_TRUE(listener.ok()) << listener.error().Message();
  child.Go();
  const int status = child.Wait();
  ASSERT_TRUE(WIFEXITED(status)) << "wait status " << status;
  EXPECT_EQ(WEXITSTATUS(status), 0) << "the number of the check that failed";
  EXPECT_EQ((*listener)->counts().refused, 0u);
}

TEST(TestClock, S15_AProgramsClockCallsAreAnsweredFromIt) {
  TestClock clock(kStart);
  ExpectChildAgrees(clock, [] {
    int64_t readings = 0;
    return CheckClockCalls(PlainCalls(), readings);
  });
}

// Where the calling process has its vDSO; empty if it has none.
std::span<uint8_t> Vdso() {
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    uint64_t from = 0;
    uint64_t to = 0;
    if (line.ends_with("[vdso]") && sscanf(line.c_str(), "%" SCNx64 "-%" SCNx64, &from, &to) == 2) {
      return {reinterpret_cast<uint8_t*>(from), to - from};
    }
  }
  return {};
}

// Patches the calling process's own vDSO, as the supervisor does a program's.
bool PatchVdso(std::span<uint8_t> vdso) {
  auto patches = machine::VdsoPatches(vdso);
  Fd memory(open("/proc/self/mem", O_WRONLY | O_CLOEXEC));
  if (!patches.ok() || patches->empty() || !memory) return false;
  return std::ranges::all_of(*patches, [&](const Patch& patch) {
    const auto at = reinterpret_cast<off_t>(vdso.data() + patch.offset);
    return pwrite(memory.get(), patch.bytes.data(), patch.bytes.size(), at) ==
           static_cast<ssize_t>(patch.bytes.size());
  });
}

TEST(TestClock, S15_ThePatchedVdsoTellsItsTime) {
  const std::span<uint8_t> vdso = Vdso();
  ASSERT_FALSE(vdso.empty()) << "this machine's kernel gives no vDSO";
  TestClock clock(kStart);
  // What it tells isn't this machine's time, which an unpatched function would.
  ASSERT_LT(kStart.realtime / 1'000'000'000, time(nullptr) - 1000);
  ExpectChildAgrees(clock, [vdso] {
    if (!PatchVdso(vdso)) return 100;
    auto functions = VdsoFunctions(vdso, HostArch());
    if (!functions.ok()) return 101;
    // Every exported name of every function, one after the other.
    int64_t readings = 0;
    int checked = 0;
    for (const VdsoFunction& function : *functions) {
      ClockCalls calls = PlainCalls();
      void* code = vdso.data() + function.offset;
      if (function.sys == Sys::clock_gettime) {
        calls.gettime = reinterpret_cast<int (*)(long, void*)>(code);
      } else if (function.sys == Sys::clock_getres) {
        calls.getres = reinterpret_cast<int (*)(long, void*)>(code);
      } else if (function.sys == Sys::gettimeofday) {
        calls.gettimeofday = reinterpret_cast<int (*)(void*, void*)>(code);
      } else if (function.sys == Sys::time) {
        calls.time = reinterpret_cast<long (*)(void*)>(code);
      } else {
        continue;
      }
      ++checked;
      if (int failed = CheckClockCalls(calls, readings); failed != 0) return failed;
    }
    // And as a program does, through libc.
    timespec ts{};
    if (clock_gettime(CLOCK_REALTIME, &ts) != 0) return 102;
    if (ts.tv_sec * 1'000'000'000 + ts.tv_nsec != kStart.realtime + kStart.tick * readings)
      return 103;
    return checked > 0 ? 0 : 104;
  });
}

}  // namespace
}  // namespace retake
