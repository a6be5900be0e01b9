// The recorder: runs a program under the supervisor and writes its trace.
#ifndef RETAKE_REPLAY_RECORDER_H_
#define RETAKE_REPLAY_RECORDER_H_

#include <string>
#include <vector>

#include "base/result.h"

namespace retake {

// What to do when the trace can't be written any more (a full disk).
enum class OnError : uint8_t {
  kStop,      // end the program, say why, exit 125
  kContinue,  // let the program go on, supervised but unrecorded
};

struct RecordOptions {
  std::vector<std::string> command;  // argv; command[0] is looked up in PATH as execvp does
  std::string directory;             // where the trace goes: exists, empty
  bool wait = false;                 // return only when the last task of the tree has ended
  bool portable = false;             // trap cpuid and tell the program a baseline CPU
  bool announce = false;             // say on stderr where the trace went
  OnError on_error = OnError::kStop;
  // A memory hash every so many events; 0: as often as costs a fiftieth of the time.
  int check_interval = 0;
  std::string status_file;  // JSON with how it ended; empty for none
};

// Records the command. **The calling process becomes the program**: it forks the supervisor off as
// an orphan in a session of its own, is seized by it, and execs. So the program has the pid,
// parent, process group, terminal and exit status that it would have had without retake, and the
// supervisor can outlive it without holding the caller's pipes. Returns only if the program can't
// be started, with the exit status to give: 127 not found, 126 not executable, 125 for a failure of
// ours; the reason has been printed on stderr.
int Record(const RecordOptions& options);

}  // namespace retake

#endif  // RETAKE_REPLAY_RECORDER_H_
