// The monotonic clock, for bounds and for durations told to people. Never for anything that a
// program could see.
#ifndef RETAKE_BASE_CLOCK_H_
#define RETAKE_BASE_CLOCK_H_

#include <time.h>

#include <cstdint>

namespace retake {

inline int64_t MonotonicNanoseconds() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1'000'000'000 + now.tv_nsec;
}

inline int64_t MonotonicMilliseconds() { return MonotonicNanoseconds() / 1'000'000; }

inline double MonotonicSeconds() { return static_cast<double>(MonotonicNanoseconds()) / 1e9; }

}  // namespace retake

#endif  // RETAKE_BASE_CLOCK_H_
