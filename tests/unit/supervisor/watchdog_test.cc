// Tasks that the supervisor has stopped and forgotten are told of; those that have a reason of
// their own not to run are waited for.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/clock.h"
#include "supervisor/supervisor.h"
#include "tracee/ptrace.h"

namespace retake {
namespace {

class Sink : public EventSink {
 public:
  MOCK_METHOD(Status, OnExec, (Task&, const Registers&, const std::vector<Mapping>&), (override));
  MOCK_METHOD(Result<CallVerdict>, OnCallEntry, (Task&, uint16_t), (override));
  MOCK_METHOD(Status, OnCallExit, (Task&, Registers&), (override));
  MOCK_METHOD(Status, OnCallInterrupted, (Task&, const Registers&), (override));
  MOCK_METHOD(Status, OnCallEntered, (Task&), (override));
  MOCK_METHOD(bool, CopySharesMemory, (const Task&), (override));
  MOCK_METHOD(bool, IsInCallThatBlocks, (Task&), (override));
  MOCK_METHOD(Status, OnNewTask, (Task&, Task&, NewTaskKind), (override));
  MOCK_METHOD(Status, OnSignal, (Task&, const SignalArrival&), (override));
  MOCK_METHOD(Result<Preemption>, Preempt, (Task&, uint32_t), (override));
  MOCK_METHOD(void, OnLivelock, (const std::vector<Task*>&, int64_t), (override));
  MOCK_METHOD(Status, OnTrap, (Task&, TrapKind, const Registers&, const Registers&), (override));
  MOCK_METHOD(Result<bool>, OnFirstRun, (Task&, const Registers&, uint64_t, bool), (override));
  MOCK_METHOD(Result<Preemption>, FinishFirstRun, (Task&, const Registers&), (override));
  MOCK_METHOD(Status, OnExiting, (Task&), (override));
  MOCK_METHOD(Status, OnReleased, (Task&), (override));
  MOCK_METHOD(Status, OnGone, (Task&, WaitStatus), (override));
};

class Watchdog : public ::testing::Test {
 protected:
  static constexpr int64_t kBound = 200;          // ms
  static constexpr useconds_t kLonger = 900'000;  // us

  Watchdog() : supervisor_({.hang_bound_ms = kBound}, sink_) {
    // As in a supervisor's process: it ends waits.
    struct sigaction tick {};
    tick.sa_handler = [](int) {};
    sigaction(SIGALRM, &tick, &before_);
  }
  ~Watchdog() override {
    itimerval off{};
    setitimer(ITIMER_REAL, &off, nullptr);
    sigaction(SIGALRM, &before_, nullptr);
  }

  // Starts a shell command under the supervisor; the process does `before_exec` first.
  pid_t Start(const char* command, void (*before_exec)() = nullptr) {
    int ends[2];
    EXPECT_EQ(pipe(ends), 0);
    pid_t pid = fork();
    if (pid == 0) {
      char byte;
      (void)!read(ends[0], &byte, 1);
      if (before_exec != nullptr) before_exec();
      execl("/bin/sh", "sh", "-c", command, nullptr);
      _exit(127);
    }
    EXPECT_TRUE(supervisor_.SeizeFirst(pid).ok());
    EXPECT_EQ(write(ends[1], "g", 1), 1);
    close(ends[0]);
    close(ends[1]);
    return pid;
  }

  // Runs all to their ends.
  Status RunAll() {
    for (;;) {
      Result<Supervisor::RunEnd> ended = supervisor_.Run();
      if (!ended.ok()) return ended.TakeError();
      if (*ended == Supervisor::RunEnd::kAllGone) return {};
      TRY(supervisor_.LetFirstGo());
    }
  }

  struct sigaction before_ {};
  ::testing::NiceMock<Sink> sink_;
  Supervisor supervisor_;
};

TEST_F(Watchdog, AForgottenStopIsToldOf) {
  pid_t pid = Start("sleep 1000");
  ASSERT_TRUE(ptracer::Interrupt(pid).ok());
  ASSERT_TRUE(ptracer::WaitOne(pid, 1'000).ok());
  int64_t begin = MonotonicMilliseconds();
  Status ran = RunAll();
  ASSERT_FALSE(ran.ok());
  std::string said = ran.error().Message();
  EXPECT_NE(said.find(fmt::format("task {}: starting, has the turn, state t", pid)), said.npos)
      << said;
  EXPECT_GE(MonotonicMilliseconds() - begin, kBound);
  kill(pid, SIGKILL);
  supervisor_.EndTree(0, [] {});
}

TEST_F(Watchdog, OneThatSleepsIsWaitedFor) {
  Start("exec sleep 0.9");
  Status ran = RunAll();
  EXPECT_TRUE(ran.ok()) << ran.error().Message();
}

TEST_F(Watchdog, OneThatIsKilledBeforeItsFirstExecIsGone) {
  pid_t pid = Start("true", [] { raise(SIGKILL); });
  Status ran = RunAll();
  EXPECT_TRUE(ran.ok()) << ran.error().Message();
  EXPECT_EQ(kill(pid, 0), -1);
}

TEST_F(Watchdog, OneThatASignalHasStoppedIsWaitedFor) {
  pid_t pid = Start("kill -STOP $$");
  pid_t waker = fork();
  if (waker == 0) {
    usleep(kLonger);
    kill(pid, SIGCONT);
    _exit(0);
  }
  Status ran = RunAll();
  EXPECT_TRUE(ran.ok()) << ran.error().Message();
}

}  // namespace
}  // namespace retake
