// TracedChild: a copy of the test's process that runs a function, seized, for tests of what steps,
// stops and matches tasks. Killed at the end of the test.
#ifndef RETAKE_TESTS_UNIT_TRACEE_TRACED_CHILD_H_
#define RETAKE_TESTS_UNIT_TRACEE_TRACED_CHILD_H_

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/rseq.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <functional>
#include <new>
#include <optional>

#include "tracee/maps.h"
#include "tracee/memory.h"
#include "tracee/ptrace.h"
#include "tracee/remote_calls.h"

namespace retake {

class TracedChild {
 public:
  static constexpr uint64_t kOptions =
      PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL | PTRACE_O_TRACEFORK | PTRACE_O_TRACECLONE;

  // The child runs `body`, as it does when this returns, and exits with what it returns.
  explicit TracedChild(const std::function<int()>& body) {
    int go[2];
    if (pipe(go) != 0) return;
    void* page =
        mmap(nullptr, sizeof *running_, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED) return;
    running_ = new (page) std::atomic<int>(0);
    pid_ = fork();
    if (pid_ == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      close(go[1]);
      char byte = 0;
      if (read(go[0], &byte, 1) != 1) _exit(100);
      UnregisterRseq();
      running_->store(1);
      // By no library: a sanitizer's makes calls of its own first.
      syscall(HostArch().NumberOf(Sys::exit_group), body());
    }
    close(go[0]);
    Expect(ptracer::Seize(pid_, kOptions));
    auto memory = TaskMemory::Open(pid_);
    Expect(memory);
    memory_.emplace(memory.TakeValue());
    EXPECT_EQ(write(go[1], "", 1), 1);
    close(go[1]);
    for (int i = 0; i < 10'000 && running_->load() == 0; ++i) usleep(1'000);
    EXPECT_EQ(running_->load(), 1);
  }
  ~TracedChild() {
    if (running_ != nullptr) munmap(running_, sizeof *running_);
    if (pid_ <= 0) return;
    kill(pid_, SIGKILL);
    int status = 0;
    while (waitpid(pid_, &status, __WALL) == pid_ && !WIFEXITED(status) && !WIFSIGNALED(status)) {
    }
  }

  // A copy of a stopped child with the stub page, stopped at the same instant.
  explicit TracedChild(TracedChild& original) {
    Registers registers = original.registers();
    RemoteCalls calls(original.pid_, original.memory(), registers);
    auto copy = calls.Fork();
    Expect(copy);
    pid_ = copy.ok() ? *copy : -1;
    auto memory = TaskMemory::Open(pid_);
    Expect(memory);
    memory_.emplace(memory.TakeValue());
    for (pid_t pid : {original.pid_, pid_}) Expect(ptracer::SetRegisters(pid, registers));
  }
  TracedChild& operator=(const TracedChild&) = delete;

  // The stub page, which injected calls need; the child is stopped.
  void InstallStub() {
    Registers saved = registers();
    auto mappings = ReadMappings(pid_);
    Expect(mappings);
    RemoteCalls calls(pid_, memory(), saved);
    Expect(calls.InstallStub(*mappings));
    machine::ForgetSyscall(saved);
    Expect(ptracer::SetRegisters(pid_, saved));
  }

  pid_t pid() const { return pid_; }
  TaskMemory& memory() { return *memory_; }

  // Lets it compute for that much time of a CPU, however busy the machine is, and stops it wherever
  // it is.
  void Stop(int microseconds) {
    constexpr int kPatience = 10'000'000;
    int64_t begin = CpuMicroseconds();
    for (int waited = 0; waited < kPatience; waited += 100) {
      usleep(100);
      if (CpuMicroseconds() - begin >= microseconds) break;
    }
    EXPECT_GE(CpuMicroseconds() - begin, microseconds);
    Expect(ptracer::Interrupt(pid_));
    auto status = ptracer::WaitOne(pid_, 10'000);
    Expect(status);
    ASSERT_TRUE(status->has_value());
    ASSERT_EQ((*status)->kind(), StopKind::kEventStop) << (*status)->raw();
  }
  void Continue() { Expect(ptracer::Resume(pid_, ResumeKind::kContinue)); }
  // Lets it run to its end; its exit status, or -1.
  int RunToExit() {
    Continue();
    auto status = ptracer::WaitOne(pid_, 10'000);
    Expect(status);
    if (!status.ok() || !status->has_value() || (*status)->kind() != StopKind::kExited) return -1;
    pid_ = -1;
    return WEXITSTATUS((*status)->raw());
  }
  Registers registers() const {
    Registers registers;
    Expect(ptracer::GetRegisters(pid_, registers));
    return registers;
  }
  // A variable of the test's, as the child has it.
  template <typename T>
  T Get(const T& variable) {
    T value{};
    EXPECT_TRUE(memory_->ReadValue(reinterpret_cast<uint64_t>(&variable), &value));
    return value;
  }
  template <typename T>
  void Set(const T& variable, const T& value) {
    Expect(memory_->Write(reinterpret_cast<uint64_t>(&variable),
                          {reinterpret_cast<const uint8_t*>(&value), sizeof value}));
  }

 private:
  // The kernel writes the CPU's number there at will. (To a recorded program retake refuses it.)
  static void UnregisterRseq() {
    constexpr unsigned kRegisteredSize = 32;  // by glibc 2.35 and later, whatever it uses
    auto* area = static_cast<char*>(__builtin_thread_pointer()) + __rseq_offset;
    if (__rseq_size == 0) return;
    syscall(SYS_rseq, area, kRegisteredSize, RSEQ_FLAG_UNREGISTER, RSEQ_SIG);
  }
  int64_t CpuMicroseconds() const {
    clockid_t clock{};
    timespec used{};
    EXPECT_EQ(clock_getcpuclockid(pid_, &clock), 0);
    EXPECT_EQ(clock_gettime(clock, &used), 0);
    return int64_t{used.tv_sec} * 1'000'000 + used.tv_nsec / 1'000;
  }
  template <typename T>
  static void Expect(const Result<T>& result) {
    EXPECT_TRUE(result.ok()) << result.error().Message();
  }

  pid_t pid_ = -1;
  std::atomic<int>* running_ = nullptr;  // shared with the child
  std::optional<TaskMemory> memory_;
};

}  // namespace retake

#endif  // RETAKE_TESTS_UNIT_TRACEE_TRACED_CHILD_H_
