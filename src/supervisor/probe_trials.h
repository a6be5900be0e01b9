// The trials behind probe.h's table, one function each. Each runs in a process of its own, which it
// may change or ruin.
#ifndef RETAKE_SUPERVISOR_PROBE_TRIALS_H_
#define RETAKE_SUPERVISOR_PROBE_TRIALS_H_

#include <cstring>
#include <string_view>

#include "supervisor/probe.h"

namespace retake {

// How a trial ended. Plain bytes, since it comes back through a pipe.
struct Trial {
  bool works = false;
  int code = 0;         // the errno of what failed; 0 if there was none
  char text[248] = {};  // a figure, or what failed

  static Trial Worked(std::string_view text = "") { return Make(true, 0, text); }
  static Trial Failed(int code, std::string_view what) { return Make(false, code, what); }

 private:
  static Trial Make(bool works, int code, std::string_view text) {
    Trial trial;
    trial.works = works;
    trial.code = code;
    text = text.substr(0, sizeof trial.text - 1);
    memcpy(trial.text, text.data(), text.size());
    return trial;
  }
};

Trial TryNotTraced(const ProbePlaces& places);
Trial TryAttach(const ProbePlaces& places);
Trial TryEmulation(const ProbePlaces& places);
Trial TryYama(const ProbePlaces& places);
Trial TryFilter(const ProbePlaces& places);
Trial TryNotification(const ProbePlaces& places);
Trial TryNotifyKillable(const ProbePlaces& places);
Trial TryNotifySync(const ProbePlaces& places);
Trial TrySpecAllow(const ProbePlaces& places);
Trial TryStubPage(const ProbePlaces& places);
Trial TryProcessVm(const ProbePlaces& places);
Trial TryPidfdGetfd(const ProbePlaces& places);
Trial TryTcpPeekOffset(const ProbePlaces& places);
Trial TryTimestampTrap(const ProbePlaces& places);
Trial TryCpuidTrap(const ProbePlaces& places);
Trial TryMemfd(const ProbePlaces& places);
Trial TryUserfaultfd(const ProbePlaces& places);
Trial TryPagemapScan(const ProbePlaces& places);
Trial TryPerfBreakpoint(const ProbePlaces& places);
Trial TryUserNamespace(const ProbePlaces& places);
Trial TryPinning(const ProbePlaces& places);
Trial TryStore(const ProbePlaces& places);
Trial TryCache(const ProbePlaces& places);
Trial TryHardLink(const ProbePlaces& places);
Trial TryReflink(const ProbePlaces& places);
Trial TryLimits(const ProbePlaces& places);

}  // namespace retake

#endif  // RETAKE_SUPERVISOR_PROBE_TRIALS_H_
