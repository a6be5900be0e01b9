// How retake says that something failed: the last line on stderr is `retake: REASON: sentence`, and
// where a status file was asked for, the same as JSON (DESIGN 11).
#ifndef RETAKE_CLI_REPORT_H_
#define RETAKE_CLI_REPORT_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "cli/verb.h"

namespace retake {

enum class Reason : uint8_t {
  kUsage,       // the command line or the environment makes no sense
  kFailed,      // something that was needed could not be had
  kDivergence,  // the replayed program did something else than the trace says
  kTraceEnds,   // the trace is whole as far as it goes, and goes no further
  kDamaged,     // the trace's bytes are not what was written
  kLoss,        // a checkpoint would lose something
};

// "usage", "failed", "divergence", "the trace ends here", "damaged", "loss".
std::string_view ReasonWord(Reason reason);

// Prints `retake: REASON: message` on stderr, stdout flushed first so that the two come in order
// where they go to the same place, and returns `status`. A message of several lines keeps its last
// one for that line; the others come before it as they are.
int Fail(Reason reason, std::string_view message, int status = kExitFailure);
int Fail(const Error& error, int status = kExitFailure);
// With errno's text.
int FailErrno(std::string_view what);

// What a program-standing verb writes to --status-file.
struct StatusReport {
  std::string_view verb;
  std::string trace;
  int exit_status = 0;    // of the program
  int signal = 0;         // that it died of; 0 if it exited
  std::string_view kind;  // of a failure of retake's: its ReasonWord
  std::string message;    // ... and its sentence; empty: no failure
  uint64_t events = 0;
};

// Writes the report to `path` as one JSON object, replacing what was there by rename, so that a
// reader never sees half of it. A no-op if `path` is empty.
Status WriteStatusFile(const std::string& path, const StatusReport& report);

}  // namespace retake

#endif  // RETAKE_CLI_REPORT_H_
