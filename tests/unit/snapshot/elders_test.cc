#include "snapshot/elders.h"

#include <gtest/gtest.h>
#include <unistd.h>

namespace retake {
namespace {

CheckpointImage ImageOf(pid_t parent, pid_t group, pid_t session, pid_t pid = 100) {
  CheckpointImage image;
  ProcessState root;
  root.pid = pid;
  root.parent_pid = parent;
  root.group = group;
  root.session = session;
  root.controlling_terminal = -1;
  image.processes = {root};
  return image;
}

TEST(Elders, AreThoseOutsideOfTheTree) {
  Elders elders = EldersOf(ImageOf(7, 6, 5));
  EXPECT_EQ(elders.parent, 7);
  EXPECT_EQ(elders.group, 6);
  EXPECT_EQ(elders.session, 5);
  EXPECT_EQ(elders.pids(), (std::vector<pid_t>{7, 5, 6}));
  EXPECT_FALSE(elders.restorer_leads());
}

TEST(Elders, MayBeOne) {
  Elders shell = EldersOf(ImageOf(5, 5, 5));
  EXPECT_EQ(shell.pids(), std::vector<pid_t>{5});
  EXPECT_TRUE(shell.restorer_leads());
}

TEST(Elders, AreNotOfTheTree) {
  // A job of its own; and a leader of a session.
  EXPECT_EQ(EldersOf(ImageOf(5, 100, 5)).pids(), std::vector<pid_t>{5});
  EXPECT_EQ(EldersOf(ImageOf(7, 100, 100)).pids(), std::vector<pid_t>{7});
}

TEST(Elders, AreNoInit) {
  Elders orphan = EldersOf(ImageOf(1, 6, 5));
  EXPECT_EQ(orphan.parent, 0);
  EXPECT_TRUE(orphan.restorer_leads());
  EXPECT_FALSE(EldersOf(ImageOf(1, 100, 100)).any());
  // Those of another pid namespace.
  EXPECT_FALSE(EldersOf(ImageOf(0, 0, 0)).any());
}

TEST(Elders, ThatHaveEndedAreNotNeededAnyLonger) {
  auto image = ImageOf(1, 5, 5);
  image.leaderless = true;
  EXPECT_FALSE(EldersOf(image).any());
  // Its terminal is of the session, which needs a leader.
  image.processes[0].controlling_terminal = 0;
  EXPECT_EQ(EldersOf(image).session, 5);
}

TEST(Elders, AreNotFreeWhileSomebodyHasAPid) {
  EXPECT_TRUE(AreFree(Elders()));
  EXPECT_FALSE(AreFree(Elders{.parent = getpid()}));
}

}  // namespace
}  // namespace retake
