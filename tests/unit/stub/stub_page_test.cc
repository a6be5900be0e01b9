// The stub page's code, run where it belongs in a child of this process: no ptrace, the break at
// the end of a batch is caught as a signal.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <vector>

#include "arch/arch.h"
#include "arch_code.h"
#include "stub/layout.h"

namespace retake {
namespace {

// What the child saw at its break, in memory shared with the parent.
struct Seen {
  uint64_t pc;
  int64_t result;
  int signal;
};

Seen* g_seen;

void AtBreak(int signal, siginfo_t*, void* context) {
  const auto& user = *static_cast<const ucontext_t*>(context);
  g_seen->pc = PcOf(user);
  g_seen->result = retake::ResultOf(user);
  g_seen->signal = signal;
  _exit(0);
}

class StubPage : public testing::Test {
 protected:
  void SetUp() override {
    StubImage stub = machine::Stub();
    ASSERT_LE(stub.code.size(), 4096u);
    void* code = Map(kStubAddress, kStubCodeSize, MAP_PRIVATE);
    memcpy(code, stub.code.data(), stub.code.size());
    __builtin___clear_cache(static_cast<char*>(code), static_cast<char*>(code) + kStubCodeSize);
    ASSERT_EQ(mprotect(code, kStubCodeSize, PROT_READ | PROT_EXEC), 0);
    batch_ = static_cast<Batch*>(Map(kStubDataAddress, kStubDataSize, MAP_SHARED));
    void* seen = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ASSERT_NE(seen, MAP_FAILED);
    g_seen = static_cast<Seen*>(seen);
  }

  void TearDown() override {
    munmap(reinterpret_cast<void*>(kStubAddress), kStubEnd - kStubAddress);
    munmap(g_seen, 4096);
  }

  static void* Map(uint64_t address, uint64_t size, int kind) {
    void* at = mmap(reinterpret_cast<void*>(address), size, PROT_READ | PROT_WRITE,
                    kind | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    EXPECT_EQ(reinterpret_cast<uint64_t>(at), address);
    return at;
  }

  // Runs `body` in a child that must end at a break.
  template <typename Body>
  void InChild(Body body) {
    pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      alarm(20);
      struct sigaction action {};
      action.sa_sigaction = AtBreak;
      action.sa_flags = SA_SIGINFO;
      for (int signal : {SIGTRAP, SIGSEGV, SIGILL, SIGBUS}) sigaction(signal, &action, nullptr);
      body();
      _exit(1);
    }
    child_ = child;
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
    EXPECT_EQ(g_seen->signal, SIGTRAP);
  }

  void RunBatch() {
    uint64_t entry = kStubAddress + machine::Stub().batch_entry;
    InChild([entry] { reinterpret_cast<void (*)()>(entry)(); });
    EXPECT_EQ(g_seen->pc, kStubAddress + machine::Stub().batch_break);
  }

  static BatchCall Call(Sys sys, std::initializer_list<uint64_t> args = {}) {
    BatchCall call{.number = static_cast<uint64_t>(HostArch().NumberOf(sys)), .result = kUnset};
    std::copy(args.begin(), args.end(), call.args);
    return call;
  }

  void Fill(const std::vector<BatchCall>& calls) {
    batch_->count = calls.size();
    batch_->done = kUnset;
    std::copy(calls.begin(), calls.end(), batch_->calls);
  }

  static constexpr uint64_t kUnset = 0x5555;

  Batch* batch_ = nullptr;
  pid_t child_ = 0;
};

TEST_F(StubPage, ABatchMakesEachCallAndStoresItsResult) {
  int pipe[2];
  ASSERT_EQ(::pipe(pipe), 0);
  memcpy(reinterpret_cast<void*>(kStubScratchAddress), "batch", 5);
  auto out = static_cast<uint64_t>(pipe[1]);
  auto page = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  Fill({Call(Sys::getpid), Call(Sys::write, {out, kStubScratchAddress, 5}),
        Call(Sys::close, {~uint64_t{0}}),
        Call(Sys::mmap, {0x6800'0000, page, PROT_READ,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, ~uint64_t{0}, 0}),
        // All six arguments arrive: a bad offset is refused.
        Call(Sys::mmap, {0, page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, ~uint64_t{0}, 1})});
  RunBatch();
  EXPECT_EQ(batch_->count, 5u);
  EXPECT_EQ(batch_->done, 5u);
  EXPECT_EQ(batch_->calls[0].result, static_cast<uint64_t>(child_));
  EXPECT_EQ(batch_->calls[1].result, 5u);
  EXPECT_EQ(static_cast<int64_t>(batch_->calls[2].result), -EBADF);
  EXPECT_EQ(batch_->calls[3].result, 0x6800'0000u);
  EXPECT_EQ(static_cast<int64_t>(batch_->calls[4].result), -EINVAL);
  char text[8] = {};
  EXPECT_EQ(read(pipe[0], text, sizeof text), 5);
  EXPECT_STREQ(text, "batch");
  close(pipe[0]);
  close(pipe[1]);
}

TEST_F(StubPage, AnEmptyBatchOnlyBreaks) {
  Fill({});
  RunBatch();
  EXPECT_EQ(batch_->done, 0u);
}

TEST_F(StubPage, ABatchOfTheGreatestLength) {
  std::vector<BatchCall> calls(kMaxBatchCalls, Call(Sys::getpid));
  Fill(calls);
  RunBatch();
  EXPECT_EQ(batch_->done, kMaxBatchCalls);
  for (size_t i = 0; i < kMaxBatchCalls; ++i) {
    EXPECT_EQ(batch_->calls[i].result, static_cast<uint64_t>(child_)) << i;
  }
}

TEST_F(StubPage, ANumberOfAllOnesEndsABatchEarly) {
  std::vector<BatchCall> calls(4, Call(Sys::getpid));
  calls[2].number = ~uint64_t{0};
  Fill(calls);
  RunBatch();
  EXPECT_EQ(batch_->done, 2u);
  EXPECT_EQ(batch_->calls[1].result, static_cast<uint64_t>(child_));
  EXPECT_EQ(batch_->calls[2].result, kUnset);
  EXPECT_EQ(batch_->calls[3].result, kUnset);
}

TEST_F(StubPage, OneCallWithTheRegistersAsTheyAre) {
  uint64_t entry = kStubAddress + machine::Stub().syscall_entry;
  auto number = static_cast<uint64_t>(HostArch().NumberOf(Sys::close));
  InChild([=] { JumpWithCall(entry, number, ~uint64_t{0}, 0); });
  EXPECT_EQ(g_seen->pc, kStubAddress + machine::Stub().syscall_break);
  EXPECT_EQ(g_seen->result, -EBADF);
}

TEST(StubLayout, WhatTouchesTheStub) {
  EXPECT_TRUE(TouchesStub(kStubAddress, 1));
  EXPECT_TRUE(TouchesStub(kStubAddress - 4096, 4097));
  EXPECT_TRUE(TouchesStub(kReservedEnd - 1, 1));
  EXPECT_TRUE(TouchesStub(0, ~uint64_t{0}));
  EXPECT_FALSE(TouchesStub(kStubAddress - 4096, 4096));
  EXPECT_FALSE(TouchesStub(kReservedEnd, 4096));
  EXPECT_FALSE(TouchesStub(kStubAddress, 0));
  EXPECT_TRUE(TouchesStub(kStubAddress - 4096, ~uint64_t{0}));  // wraps around
}

}  // namespace
}  // namespace retake
