// What becomes of a signal, by what the program has set (man 7 signal).
#include <gtest/gtest.h>

#include "supervisor/task.h"

namespace retake {
namespace {

const uint64_t kIgnore = reinterpret_cast<uint64_t>(SIG_IGN);

TEST(SignalActions, DefaultsAreTheKernels) {
  SignalActions actions;
  EXPECT_EQ(actions.FateOf(SIGTERM), SignalFate::kEndsProcess);
  EXPECT_EQ(actions.FateOf(SIGSEGV), SignalFate::kEndsProcess);
  EXPECT_EQ(actions.FateOf(SIGCHLD), SignalFate::kIgnored);
  EXPECT_EQ(actions.FateOf(SIGWINCH), SignalFate::kIgnored);
  EXPECT_EQ(actions.FateOf(SIGTSTP), SignalFate::kStops);
  EXPECT_EQ(actions.FateOf(SIGCONT), SignalFate::kContinues);
}

TEST(SignalActions, SomeCantBeChanged) {
  SignalActions actions;
  actions[SIGKILL].handler = kIgnore;
  actions[SIGSTOP].handler = 0x1000;
  EXPECT_EQ(actions.FateOf(SIGKILL), SignalFate::kEndsProcess);
  EXPECT_EQ(actions.FateOf(SIGSTOP), SignalFate::kStops);
}

TEST(SignalActions, ExecKeepsIgnoredAndForgetsHandlers) {
  SignalActions actions;
  actions[SIGTERM] = {0x1000, SA_RESTART};
  actions[SIGINT].handler = kIgnore;
  EXPECT_EQ(actions.FateOf(SIGTERM), SignalFate::kHandled);
  actions.ResetHandlers();
  EXPECT_EQ(actions.FateOf(SIGTERM), SignalFate::kEndsProcess);
  EXPECT_EQ(actions[SIGTERM].flags, 0U);
  EXPECT_EQ(actions.FateOf(SIGINT), SignalFate::kIgnored);
}

}  // namespace
}  // namespace retake
