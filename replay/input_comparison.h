// Comparing what a call takes from memory with what the recorded one took, as far as the trace has
// kept that: strings, small structures and the beginnings of buffers as they were, and hashes of
// what is written to files, pipes, sockets and terminals.
#ifndef RETAKE_REPLAY_INPUT_COMPARISON_H_
#define RETAKE_REPLAY_INPUT_COMPARISON_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "replay/event.h"
#include "tracee/memory.h"

namespace retake {

class InputComparison {
 public:
  // In words, what is otherwise; nullopt: nothing. `memory` is as the event leaves it.
  std::optional<std::string> FindDifference(const Event& event, const TaskMemory& memory);

 private:
  // Kept, so that millions of events need no allocation.
  std::vector<uint8_t> bytes_;
  std::vector<TaskMemory::Piece> pieces_;
};

}  // namespace retake

#endif  // RETAKE_REPLAY_INPUT_COMPARISON_H_
