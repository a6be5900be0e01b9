// Loops that wait by spinning, and loops that compute, each compiled twice: at -O0 and at -O2
// (spins.cc). Each runs until `flag` is set.
#ifndef RETAKE_TESTS_UNIT_SUPERVISOR_SPINS_H_
#define RETAKE_TESTS_UNIT_SUPERVISOR_SPINS_H_

#include <atomic>

namespace retake {

// Set by the test in the child's memory.
extern std::atomic<int> spin_flag;

struct Loop {
  const char* name;
  void (*run)();
};

struct Loops {
  const char* level;
  const Loop* spins;
  int spin_count;
  const Loop* computations;
  int computation_count;
  void (*yields)();
};

Loops LoopsAtO0();
Loops LoopsAtO2();

}  // namespace retake

#endif  // RETAKE_TESTS_UNIT_SUPERVISOR_SPINS_H_
