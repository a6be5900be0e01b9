#include "supervisor/task.h"

namespace retake {
namespace {

bool IgnoredByDefault(int signal) {
  return signal == SIGCHLD || signal == SIGURG || signal == SIGWINCH;
}

bool StopsByDefault(int signal) {
  return signal == SIGTSTP || signal == SIGTTIN || signal == SIGTTOU;
}

}  // namespace

SignalFate SignalActions::FateOf(int signal) const {
  if (signal == SIGKILL) return SignalFate::kEndsProcess;
  if (signal == SIGSTOP) return SignalFate::kStops;
  uint64_t handler = actions_[static_cast<size_t>(signal)].handler;
  if (handler == reinterpret_cast<uint64_t>(SIG_IGN)) {
    return signal == SIGCONT ? SignalFate::kContinues : SignalFate::kIgnored;
  }
  if (handler != reinterpret_cast<uint64_t>(SIG_DFL)) return SignalFate::kHandled;
  if (signal == SIGCONT) return SignalFate::kContinues;
  if (IgnoredByDefault(signal)) return SignalFate::kIgnored;
  if (StopsByDefault(signal)) return SignalFate::kStops;
  return SignalFate::kEndsProcess;
}

void SignalActions::ResetHandlers() {
  for (SignalAction& action : actions_) {
    if (action.handler != reinterpret_cast<uint64_t>(SIG_IGN)) action = SignalAction{};
  }
}

}  // namespace retake
