// Comparing a stopped task's whole state with a mark's, cheapest parts first.
#ifndef RETAKE_REPLAY_STATE_COMPARISON_H_
#define RETAKE_REPLAY_STATE_COMPARISON_H_

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "replay/state_match.h"

namespace retake {

// What counts as the page under the stack pointer, whatever the machine's pages are. Bytes.
inline constexpr uint64_t kStackPageBytes = 4096;

// Of the 4 KiB around the stack pointer; 0 if they can't be read.
uint64_t HashStackPage(const TaskMemory& memory, const Registers& registers);

class StateComparison {
 public:
  StateComparison(pid_t pid, const TaskMemory& memory, const StateMark& mark);

  bool RegistersEqual(const Registers& registers) const;
  // All the rest, given that the registers are equal.
  Result<bool> RestEqual(const Registers& registers);
  // How often RestEqual was asked.
  uint64_t candidates() const { return candidates_; }

 private:
  pid_t pid_;
  const TaskMemory& memory_;
  const StateMark& mark_;
  Registers registers_;
  std::vector<uint8_t> vector_;
  // A part of memory that has been seen to differ, and is looked at first.
  std::optional<size_t> telling_bucket_;
  uint64_t candidates_ = 0;
};

}  // namespace retake

#endif  // RETAKE_REPLAY_STATE_COMPARISON_H_
