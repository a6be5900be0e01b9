// The calls as the kernel answers them (kernel/time/posix-timers.c, kernel/time/time.c): a clock id
// that doesn't exist is EINVAL before the pointer is looked at; clock_gettime wants a pointer, the
// others do without.
#include "world/test_clock.h"

#include <sys/time.h>
#include <time.h>

#include <optional>

namespace retake {
namespace {

constexpr int64_t kNanoseconds = 1'000'000'000;

// struct timespec and struct timeval of both architectures: two 64-bit words.
static_assert(sizeof(timespec) == 16 && sizeof(timeval) == 16 && sizeof(time_t) == 8);

enum class ClockKind : uint8_t { kWall, kSteady };

// Source: include/uapi/linux/time.h. 10 (CLOCK_SGI_CYCLE) is gone from the kernel.
constexpr std::optional<ClockKind> kClocks[] = {
    ClockKind::kWall,    // CLOCK_REALTIME
    ClockKind::kSteady,  // CLOCK_MONOTONIC
    ClockKind::kSteady,  // CLOCK_PROCESS_CPUTIME_ID
    ClockKind::kSteady,  // CLOCK_THREAD_CPUTIME_ID
    ClockKind::kSteady,  // CLOCK_MONOTONIC_RAW
    ClockKind::kWall,    // CLOCK_REALTIME_COARSE
    ClockKind::kSteady,  // CLOCK_MONOTONIC_COARSE
    ClockKind::kSteady,  // CLOCK_BOOTTIME
    ClockKind::kWall,    // CLOCK_REALTIME_ALARM
    ClockKind::kSteady,  // CLOCK_BOOTTIME_ALARM
    std::nullopt,        // CLOCK_SGI_CYCLE
    ClockKind::kWall,    // CLOCK_TAI
};

// Negative ids name the CPU clock of a task, or a clock device by its descriptor
// (linux/posix-timers.h).
constexpr int kClockDevice = 3;

std::optional<ClockKind> KindOf(uint64_t argument) {
  const int id = static_cast<int>(argument);
  if (id < 0) {
    if ((id & 3) == kClockDevice) return std::nullopt;
    return ClockKind::kSteady;
  }
  return static_cast<size_t>(id) < std::size(kClocks) ? kClocks[id] : std::nullopt;
}

}  // namespace

bool TestClock::Handles(Sys sys) const {
  return sys == Sys::clock_gettime || sys == Sys::gettimeofday || sys == Sys::time ||
         sys == Sys::clock_getres;
}

Answer TestClock::Handle(const NotifyCall& call) {
  switch (call.sys) {
    case Sys::clock_gettime:
      return GetTime(call);
    case Sys::clock_getres:
      return GetResolution(call);
    case Sys::gettimeofday:
      return GetTimeOfDay(call);
    case Sys::time:
      return Time(call);
    default:
      return Answer::Errno(ENOSYS);
  }
}

void TestClock::Answered(const NotifyCall& call) {
  if (call.sys == Sys::clock_getres) return;
  elapsed_ += start_.tick;
  ++readings_;
}

Answer TestClock::GetTime(const NotifyCall& call) const {
  const auto kind = KindOf(call.args[0]);
  if (!kind) return Answer::Errno(EINVAL);
  const int64_t now = *kind == ClockKind::kWall ? realtime() : monotonic();
  // A null pointer is written to like any other, and so is EFAULT.
  Answer answer = Answer::Value(0);
  answer.WriteValue(call.args[1], timespec{now / kNanoseconds, now % kNanoseconds});
  return answer;
}

Answer TestClock::GetResolution(const NotifyCall& call) const {
  if (!KindOf(call.args[0])) return Answer::Errno(EINVAL);
  Answer answer = Answer::Value(0);
  if (call.args[1] != 0) answer.WriteValue(call.args[1], timespec{0, 1});
  return answer;
}

Answer TestClock::GetTimeOfDay(const NotifyCall& call) const {
  Answer answer = Answer::Value(0);
  const int64_t now = realtime();
  if (call.args[0] != 0) {
    answer.WriteValue(call.args[0], timeval{now / kNanoseconds, now % kNanoseconds / 1000});
  }
  // struct timezone: UTC, no daylight saving.
  if (call.args[1] != 0) answer.WriteValue(call.args[1], std::array<int32_t, 2>{});
  return answer;
}

Answer TestClock::Time(const NotifyCall& call) const {
  const int64_t seconds = realtime() / kNanoseconds;
  Answer answer = Answer::Value(seconds);
  if (call.args[0] != 0) answer.WriteValue(call.args[0], seconds);
  return answer;
}

}  // namespace retake
