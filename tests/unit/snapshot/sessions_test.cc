#include "snapshot/sessions.h"

#include <gtest/gtest.h>
#include <signal.h>

namespace retake {
namespace {

ProcessState Make(pid_t pid, uint32_t parent, pid_t session, pid_t group) {
  ProcessState process;
  process.pid = pid;
  process.parent = parent;
  process.session = session;
  process.group = group;
  process.exit_signal = SIGCHLD;
  process.controlling_terminal = -1;
  return process;
}

CheckpointImage ImageOf(std::vector<ProcessState> processes, bool leaderless = false) {
  CheckpointImage image;
  image.processes = std::move(processes);
  image.leaderless = leaderless;
  return image;
}

TEST(Sessions, AreInheritedFromTheParent) {
  auto births =
      PlanBirths(std::vector{Make(10, 0, 5, 10), Make(11, 0, 5, 10), Make(12, 0, 12, 12)});
  for (const Birth& birth : births) {
    EXPECT_EQ(birth.maker, Maker::kParent);
    EXPECT_FALSE(birth.lost);
  }
}

TEST(Sessions, ThatTheParentHasLeftComeFirst) {
  // 11 was made before 10 led its own, 12 after.
  auto births = PlanBirths(
      std::vector{Make(1, 0, 5, 1), Make(10, 0, 10, 10), Make(11, 1, 5, 1), Make(12, 1, 10, 10)});
  EXPECT_EQ(births[2].maker, Maker::kParentBefore);
  EXPECT_EQ(births[3].maker, Maker::kParent);
}

TEST(Sessions, OfASiblingAreItsToGive) {
  // A grandchild of 10, whose parent has ended.
  auto births = PlanBirths(std::vector{Make(1, 0, 1, 1), Make(10, 0, 10, 10), Make(11, 0, 10, 10)});
  EXPECT_EQ(births[2].maker, Maker::kSibling);
  EXPECT_EQ(births[2].sibling, 1u);
  // It would end with another signal.
  std::vector processes{Make(1, 0, 1, 1), Make(10, 0, 10, 10), Make(11, 0, 10, 10)};
  processes[2].exit_signal = SIGUSR1;
  EXPECT_TRUE(PlanBirths(processes)[2].lost);
}

TEST(Sessions, OfASiblingThatIsInAnotherAreLost) {
  // No kernel has such processes, but an image may say so: neither can be made by the other.
  auto births = PlanBirths(std::vector{Make(1, 0, 1, 1), Make(10, 0, 11, 1), Make(11, 0, 10, 1)});
  EXPECT_TRUE(births[1].lost);
  EXPECT_EQ(births[1].maker, Maker::kParent);
  EXPECT_TRUE(births[2].lost);
}

TEST(Sessions, WithoutTheirLeaderAreLedByAStandIn) {
  auto image = ImageOf({Make(1, 0, 1, 1), Make(11, 0, 10, 10), Make(12, 0, 10, 12)});
  auto births = PlanBirths(image.processes);
  EXPECT_EQ(births[1].maker, Maker::kStandIn);
  EXPECT_EQ(births[2].maker, Maker::kStandIn);
  EXPECT_EQ(AbsentLeaders(image), std::vector<pid_t>{10});
}

TEST(Sessions, WithoutTheirLeaderAndWithTwoParentsAreLost) {
  std::vector processes{Make(1, 0, 1, 1), Make(2, 0, 1, 1), Make(11, 0, 10, 10),
                        Make(12, 1, 10, 10)};
  auto births = PlanBirths(processes);
  EXPECT_FALSE(births[2].lost);
  EXPECT_TRUE(births[3].lost);
  Losses losses;
  FindLostSessions(processes, losses);
  ASSERT_EQ(losses.size(), 1u);
  EXPECT_EQ(losses[0].pid, 12);
  EXPECT_EQ(losses[0].kind, "session");
}

TEST(Sessions, OfTheStarterAreTheRestorers) {
  auto image = ImageOf({Make(10, 0, 5, 7), Make(11, 0, 5, 7), Make(12, 0, 5, 8)});
  EXPECT_FALSE(IsInLeaderlessSession(image));
  EXPECT_TRUE(IsGroupOfStarter(image, 7));
  // A pipeline whose first command has ended.
  EXPECT_FALSE(IsGroupOfStarter(image, 8));
  EXPECT_EQ(AbsentLeaders(image), std::vector<pid_t>{8});
}

TEST(Sessions, OfADaemonAreItsOwn) {
  auto image = ImageOf({Make(10, 0, 5, 5)}, /*leaderless=*/true);
  EXPECT_TRUE(IsInLeaderlessSession(image));
  EXPECT_FALSE(IsGroupOfStarter(image, 5));
  EXPECT_EQ(AbsentLeaders(image), std::vector<pid_t>{5});
  // Who has a terminal gets one, and a session with it.
  image.processes[0].controlling_terminal = 3;
  EXPECT_FALSE(IsInLeaderlessSession(image));
}

}  // namespace
}  // namespace retake
