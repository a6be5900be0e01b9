// The replayer: rebuilds the trace's first image in a husk process and feeds it events, running no
// syscall of the program's.
#ifndef RETAKE_REPLAY_REPLAYER_H_
#define RETAKE_REPLAY_REPLAYER_H_

#include <optional>
#include <string>

#include "base/result.h"
#include "replay/trace.h"

namespace retake {

struct ReplayOptions {
  bool check = false;  // compare memory hashes where the trace has them
  bool quiet = false;  // don't show the program's output again
};

struct ReplayOutcome {
  std::optional<int> wait_status;  // of the first process, if its end was reached
  uint64_t events = 0;             // replayed
  // Not empty: the replay ended early, and why ("the trace ends here: ...", or a divergence report
  // of several lines, whose last is the reason).
  std::string failure;
  bool diverged = false;
};

// Replays the whole trace. An Error is for what kept it from starting or going on (no ptrace,
// missing CPU feature).
Result<ReplayOutcome> Replay(TraceReader& trace, const ReplayOptions& options);

}  // namespace retake

#endif  // RETAKE_REPLAY_REPLAYER_H_
