// Fixpoint: proves that a task spins, and parks it.
//
// A task that waits by spinning on memory returns, every round, to the same registers and the same
// memory: as long as nobody else writes, it will never do anything else. That is proved by stepping
// it: where all registers (vector registers too) and everything that the round wrote are as they
// were some steps earlier, equal state means equal future. (Seen: rounds of 4 to 6,192 instructions
// for plain flags, spin locks, ticket locks, CAS loops and saturating back-off.) A loop that
// counts, or walks through memory, never returns to such a state and is never taken for a spin.
//
// How often it went round can't be observed, so a recording needn't know; where in the round it was
// stopped can be, so it is parked at the canonical state: the least of the round by (pc, then the
// other registers), whichever instruction it was first stopped at.
//
// What a round writes is known from the instructions' own operands (arch/code.h says where each may
// write); the words there are compared with what they held when the round began. Where an
// instruction's writes aren't known, hashes of all writable memory are compared instead.
#ifndef RETAKE_SUPERVISOR_FIXPOINT_H_
#define RETAKE_SUPERVISOR_FIXPOINT_H_

#include <sys/types.h>

#include <cstdint>
#include <vector>

#include "arch/arch.h"
#include "base/result.h"
#include "tracee/memory.h"
#include "tracee/wait_status.h"

namespace retake {

struct SpinVerdict {
  enum class Kind : uint8_t {
    kParked,      // it spins, and is stopped at the canonical state of its round
    kNotProved,   // it may or may not spin; it has executed `steps` instructions, and computed on
    kBeforeCall,  // it doesn't spin: it is about to execute a syscall instruction, not executed yet
    kStopped,     // another stop came (`status`): a signal, a fault, its end, an interrupt
  };

  Kind kind = Kind::kNotProved;
  Registers registers;  // the task's now (unless it is gone)
  uint32_t period = 0;  // kParked: instructions a round
  uint32_t steps = 0;   // instructions executed by this call
  WaitStatus status;    // kStopped
};

// One per address space: it keeps the sites of proved spins, so that a task that spins there again
// is proved within about one and a half rounds instead of up to four.
class SpinDetector {
 public:
  // Steps the task at most `budget` instructions to find a round, and then at most three rounds
  // more to park it. A step costs 3 to 13 us, so choose the budget by what the caller would
  // otherwise do: a few hundred finds plain spin locks; back-off needs up to 20,000. Finding a
  // round of N instructions, entered after M others, takes less than 2 * max(M, N) + N steps.
  //
  // The task must be ptrace-stopped in user code: not in a syscall, not at an entry or exit stop
  // that is still to be dealt with (machine::ForgetSyscall); a signal that it is stopped with is
  // dropped, and is the caller's to keep. Every other task that shares memory with it must be
  // stopped, and no blocked call may be writing to that memory. The proof holds until any of them
  // runs again.
  //
  // Registers are the program's own in every outcome: a flag or breakpoint of the stepping is left
  // nowhere. After kStopped the caller deals with the stop as if it had resumed the task itself; of
  // a signal other than a fault, the instruction at the pc hasn't been executed.
  //
  // ESRCH: the task was killed; the caller's wait tells.
  Result<SpinVerdict> Park(pid_t pid, const TaskMemory& memory, uint32_t budget);

  struct Site {
    uint64_t low_pc, high_pc;  // of the round's instructions, inclusive
    uint32_t period;
  };
  // Proved sites, the last one used first; at most kMostSites.
  const std::vector<Site>& sites() const { return sites_; }
  static constexpr size_t kMostSites = 64;

 private:
  void Remember(const Site& site);

  std::vector<Site> sites_;
};

}  // namespace retake

#endif  // RETAKE_SUPERVISOR_FIXPOINT_H_
