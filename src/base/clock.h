// Clocks, for bounds and for durations told to people. Never for anything that a program could see.
//
// Asked of the kernel, not of the vDSO: that reads the time-stamp counter, which traps in a tracer
// thread (supervisor/own_traps.h). So all that may run in one takes its time here.
#ifndef RETAKE_BASE_CLOCK_H_
#define RETAKE_BASE_CLOCK_H_

#include <time.h>

#include <chrono>
#include <cstdint>

#include "base/syscall.h"

namespace retake {

inline int64_t Nanoseconds(const timespec& time) {
  return time.tv_sec * 1'000'000'000 + time.tv_nsec;
}

inline int64_t ClockNanoseconds(clockid_t clock) {
  timespec now{};
  ClockGettime(clock, &now);
  return Nanoseconds(now);
}

inline int64_t MonotonicNanoseconds() { return ClockNanoseconds(CLOCK_MONOTONIC); }

// By the vDSO, which is cheaper, for a thread in which its read of the counter doesn't trap.
inline bool ReadClockByVdso(clockid_t clock, timespec* time) {
  return clock_gettime(clock, time) == 0;
}

// Of the kernel's last tick, some milliseconds old. The vDSO has it ready: it costs next to
// nothing.
inline int64_t MonotonicCoarseNanoseconds() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  return Nanoseconds(now);
}

// For what waits until a time: libstdc++'s steady clock is the monotonic one.
inline std::chrono::steady_clock::time_point SteadyNow() {
  return std::chrono::steady_clock::time_point(std::chrono::nanoseconds(MonotonicNanoseconds()));
}

inline int64_t MonotonicMilliseconds() { return MonotonicNanoseconds() / 1'000'000; }

inline double MonotonicSeconds() { return static_cast<double>(MonotonicNanoseconds()) / 1e9; }

}  // namespace retake

#endif  // RETAKE_BASE_CLOCK_H_
