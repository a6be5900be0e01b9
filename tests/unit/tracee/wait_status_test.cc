// The kinds of stop, told apart as ptrace(2) lays them out in a wait status.
#include "tracee/wait_status.h"

#include <gtest/gtest.h>

namespace retake {
namespace {

WaitStatus Stopped(int signal, int event = 0) {
  return WaitStatus(event << 16 | signal << 8 | 0x7f);
}

TEST(WaitStatus, TellsEndsApart) {
  EXPECT_EQ(WaitStatus(3 << 8).kind(), StopKind::kExited);
  EXPECT_EQ(WaitStatus(SIGSEGV | 0x80).kind(), StopKind::kKilled);
  EXPECT_EQ(WaitStatus(SIGSEGV | 0x80).signal(), SIGSEGV);
  EXPECT_TRUE(WaitStatus(0).gone());
  EXPECT_FALSE(Stopped(SIGTRAP).gone());
}

TEST(WaitStatus, TellsStopsApart) {
  EXPECT_EQ(Stopped(SIGTRAP | 0x80).kind(), StopKind::kSyscall);
  EXPECT_EQ(Stopped(SIGTRAP).kind(), StopKind::kSignal);
  EXPECT_EQ(Stopped(SIGUSR1).kind(), StopKind::kSignal);
  EXPECT_EQ(Stopped(SIGUSR1).signal(), SIGUSR1);
  EXPECT_EQ(Stopped(SIGTRAP, PTRACE_EVENT_SECCOMP).kind(), StopKind::kSeccomp);
  EXPECT_EQ(Stopped(SIGTRAP, PTRACE_EVENT_EXEC).kind(), StopKind::kExec);
  EXPECT_EQ(Stopped(SIGTRAP, PTRACE_EVENT_FORK).kind(), StopKind::kNewTask);
  EXPECT_EQ(Stopped(SIGTRAP, PTRACE_EVENT_VFORK).kind(), StopKind::kNewTask);
  EXPECT_EQ(Stopped(SIGTRAP, PTRACE_EVENT_CLONE).kind(), StopKind::kNewTask);
  EXPECT_EQ(Stopped(SIGTRAP, PTRACE_EVENT_EXIT).kind(), StopKind::kExiting);
}

TEST(WaitStatus, TellsGroupStopsFromTheirEnd) {
  EXPECT_EQ(Stopped(SIGSTOP, PTRACE_EVENT_STOP).kind(), StopKind::kGroupStop);
  EXPECT_EQ(Stopped(SIGTTIN, PTRACE_EVENT_STOP).kind(), StopKind::kGroupStop);
  EXPECT_EQ(Stopped(SIGTRAP, PTRACE_EVENT_STOP).kind(), StopKind::kEventStop);
}

}  // namespace
}  // namespace retake
