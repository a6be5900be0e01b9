// How often a test repeats something: less where the machine is emulated (RETAKE_TEST_SLOWNESS).
#ifndef RETAKE_TESTS_UNIT_TIMES_H_
#define RETAKE_TESTS_UNIT_TIMES_H_

#include <algorithm>
#include <cstdlib>

namespace retake {

inline int TestSlowness() {
  const char* slowness = getenv("RETAKE_TEST_SLOWNESS");
  return slowness == nullptr ? 1 : std::max(1, atoi(slowness));
}

inline int Times(int times, int at_least = 1) {
  return TestSlowness() > 1 ? std::max(times / TestSlowness(), at_least) : times;
}

}  // namespace retake

#endif  // RETAKE_TESTS_UNIT_TIMES_H_
