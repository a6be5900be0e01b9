// What this kernel, CPU and container allow: every means that retake uses or could use, really
// tried. `retake doctor` prints it; the recorder itself asks nobody, it tries and falls back.
//
// A probe may do what can't be undone (a seccomp filter, a trapped instruction, a tracer), so each
// runs in a process of its own that is killed if it takes too long.
#ifndef RETAKE_SUPERVISOR_PROBE_H_
#define RETAKE_SUPERVISOR_PROBE_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace retake {

enum class ProbeVerdict : uint8_t {
  kWorks,
  kRefused,    // the kernel, the CPU or the surroundings refuse it
  kTurnedOff,  // RETAKE_WITHOUT names it
};

struct ProbeResult {
  std::string_view name;
  std::string_view feature;  // its name in RETAKE_WITHOUT; empty if it can't be turned off
  ProbeVerdict verdict = ProbeVerdict::kRefused;
  bool essential = false;    // recording or replaying is impossible without it
  std::string detail;        // a figure, or by what it was refused
  std::string_view use;      // what it is for
  std::string_view instead;  // what is used where it doesn't work; empty if nothing is
  std::string_view remedy;   // what to change to have it
};

struct ProbePlaces {
  std::string store;  // where traces go
  std::string cache;  // where contents of files are kept
};

// Tries everything, in the order of a fixed table. Takes a fraction of a second; at most a few
// seconds per probe that hangs. The calling process must have one thread.
std::vector<ProbeResult> ProbeEverything(const ProbePlaces& places);

// True if nothing essential is refused.
bool CanRecord(const std::vector<ProbeResult>& results);

// One line about the surroundings: kernel, architecture, user, seccomp filters already in force,
// container if it says so.
std::string DescribeSurroundings();

}  // namespace retake

#endif  // RETAKE_SUPERVISOR_PROBE_H_
