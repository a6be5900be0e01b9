// What the kernel writes of a blocked call's buffers arrives in the program's; in the bytes it
// leaves alone, what another task wrote meanwhile stays. Here the test is the kernel.
#include "replay/redirection.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <ctime>
#include <vector>

#include "arch/arch.h"
#include "syscalls/row.h"
#include "tracee/memory.h"

namespace retake {
namespace {

// What another thread fills the buffers with while the call sleeps.
constexpr int kScribble = 0x5a;

class RedirectionTest : public testing::Test {
 protected:
  void SetUp() override {
    auto opened = TaskMemory::Open(getpid());
    ASSERT_TRUE(opened.ok());
    memory_.emplace(std::move(*opened));
    void* at = mmap(reinterpret_cast<void*>(kScratchAddress), kScratchSize, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
    ASSERT_NE(at, MAP_FAILED);
  }
  void TearDown() override { munmap(reinterpret_cast<void*>(kScratchAddress), kScratchSize); }

  template <typename T>
  static uint64_t At(T* pointer) {
    return reinterpret_cast<uint64_t>(pointer);
  }

  // Enters the call. The buffer of an argument is then where Moved() says.
  void Enter(Sys sys, std::array<uint64_t, 6> args) {
    call_ = Call{&HostArch(), sys, 0, args, 0, &*memory_};
    redirection_ = Redirection::Make(RowOf(sys), call_, *memory_, scratch_, made_);
    ASSERT_TRUE(redirection_.has_value());
  }
  template <typename T>
  T* Moved(int index) {
    uint64_t address = machine::Argument(made_, index);
    EXPECT_NE(address, call_.args[static_cast<size_t>(index)]);
    return reinterpret_cast<T*>(address);
  }
  // The call returns: what the table says was written is read from the scratch area and goes to the
  // program.
  void Return(int64_t result) {
    Call made = call_;
    for (int i = 0; i < 6; ++i) {
      uint64_t moved = machine::Argument(made_, i);
      if (moved != 0) made.args[static_cast<size_t>(i)] = moved;
    }
    made.result = result;
    std::vector<Range> outputs;
    OutputRanges(RowOf(call_.sys), made, outputs);
    Event event;
    for (const Range& range : outputs) {
      std::span<uint8_t> out = event.AddWrite(range.address, range.size);
      memcpy(out.data(), reinterpret_cast<const void*>(range.address), range.size);
    }
    EXPECT_TRUE(redirection_->Finish(*memory_, event, 0, result));
    redirection_->Release(scratch_);
  }

  std::optional<TaskMemory> memory_;
  Scratch scratch_;
  Registers made_ = {};
  Call call_ = {};
  std::optional<Redirection> redirection_;
};

// Byte for byte what the buffer held when the call was made: it is written all the same.
TEST_F(RedirectionTest, WhatTheKernelWritesAgainIsWritten) {
  siginfo_t info = {};
  info.si_signo = SIGCHLD;
  info.si_code = CLD_EXITED;
  info.si_pid = 0x01020304;
  info.si_status = 5;
  siginfo_t answer = info;
  Enter(Sys::waitid, {P_ALL, 0, At(&info), WEXITED});
  memset(&info, kScribble, sizeof info);
  auto* moved = Moved<siginfo_t>(2);
  moved->si_signo = SIGCHLD;
  moved->si_errno = 0;
  moved->si_code = answer.si_code;
  moved->si_pid = answer.si_pid;
  moved->si_uid = answer.si_uid;
  moved->si_status = answer.si_status;
  Return(0);
  EXPECT_EQ(info.si_signo, SIGCHLD);
  EXPECT_EQ(info.si_code, CLD_EXITED);
  EXPECT_EQ(info.si_pid, 0x01020304);
  EXPECT_EQ(info.si_status, 5);
  // waitid writes neither the padding nor what follows the status.
  const auto* bytes = reinterpret_cast<const uint8_t*>(&info);
  EXPECT_EQ(bytes[12], kScribble);
  EXPECT_EQ(bytes[28], kScribble);
  EXPECT_EQ(bytes[127], kScribble);
}

TEST_F(RedirectionTest, ADetailThatIsNotWrittenStays) {
  siginfo_t info = {};
  Enter(Sys::waitid, {P_ALL, 0, At(&info), WEXITED});
  memset(&info, kScribble, sizeof info);
  Return(-EFAULT);
  EXPECT_EQ(info.si_signo, 0x5a5a5a5a);

  timespec left = {1, 2}, asked = {3, 4};
  Enter(Sys::nanosleep, {At(&asked), At(&left)});
  memset(&left, kScribble, sizeof left);
  Return(0);
  EXPECT_EQ(left.tv_nsec, 0x5a5a5a5a5a5a5a5a);
  left = {1, 2};
  Enter(Sys::nanosleep, {At(&asked), At(&left)});
  memset(&left, kScribble, sizeof left);
  *Moved<timespec>(1) = {1, 2};
  Return(-EINTR);
  EXPECT_EQ(left.tv_sec, 1);
  EXPECT_EQ(left.tv_nsec, 2);
}

TEST_F(RedirectionTest, PollsEventsAreWrittenAndWhatIsAskedForStays) {
  pollfd fds[2] = {{7, POLLIN, POLLIN}, {8, POLLOUT, 0}};
  Enter(Sys::poll, {At(fds), 2, ~uint64_t{0}});
  auto* moved = Moved<pollfd>(0);
  EXPECT_EQ(moved[0].fd, 7);
  EXPECT_EQ(moved[1].events, POLLOUT);
  memset(fds, kScribble, sizeof fds);
  moved[0].revents = POLLIN;
  moved[1].revents = 0;
  Return(1);
  EXPECT_EQ(fds[0].revents, POLLIN);
  EXPECT_EQ(fds[1].revents, 0);
  EXPECT_EQ(fds[0].fd, 0x5a5a5a5a);
  EXPECT_EQ(fds[1].events, 0x5a5a);
}

TEST_F(RedirectionTest, AMessagesLengthsAreWritten) {
  char byte = 0, name[16] = {};
  iovec vector = {&byte, 1};
  msghdr header = {};
  header.msg_name = name;
  header.msg_namelen = sizeof name;
  header.msg_iov = &vector;
  header.msg_iovlen = 1;
  header.msg_flags = 3;
  Enter(Sys::recvmsg, {5, At(&header), 0});
  auto* moved = Moved<msghdr>(1);
  EXPECT_NE(moved->msg_name, name);
  header.msg_namelen = header.msg_flags = 0x5a5a5a5a;
  header.msg_controllen = 0x5a;
  *static_cast<char*>(moved->msg_iov[0].iov_base) = 'x';
  moved->msg_namelen = sizeof name;
  moved->msg_controllen = 0;
  moved->msg_flags = 3;
  Return(1);
  EXPECT_EQ(byte, 'x');
  EXPECT_EQ(header.msg_namelen, sizeof name);
  EXPECT_EQ(header.msg_controllen, 0U);
  EXPECT_EQ(header.msg_flags, 3);
  EXPECT_EQ(header.msg_name, name);
  EXPECT_EQ(header.msg_iov, &vector);
  EXPECT_EQ(vector.iov_base, &byte);
}

TEST_F(RedirectionTest, WithoutANameItsLengthStays) {
  char byte = 0;
  iovec vector = {&byte, 1};
  msghdr header = {};
  header.msg_iov = &vector;
  header.msg_iovlen = 1;
  Enter(Sys::recvmsg, {5, At(&header), 0});
  header.msg_namelen = 0x5a5a5a5a;
  Return(0);
  EXPECT_EQ(header.msg_namelen, 0x5a5a5a5aU);
  EXPECT_EQ(header.msg_flags, 0);
}

TEST_F(RedirectionTest, OfEpollsEventsOnlyPaddingStays) {
  epoll_event events[2] = {};
  Enter(Sys::epoll_pwait, {5, At(events), 2, ~uint64_t{0}});
  auto* moved = Moved<epoll_event>(1);
  memset(events, kScribble, sizeof events);
  moved[0].events = EPOLLIN;
  moved[0].data.u64 = 0;
  Return(1);
  EXPECT_EQ(events[0].events, EPOLLIN);
  EXPECT_EQ(events[0].data.u64, 0U);
  EXPECT_EQ(events[1].events, 0x5a5a5a5aU);
  if (sizeof(epoll_event) == 16) {
    EXPECT_EQ(reinterpret_cast<const uint8_t*>(events)[4], kScribble);
  }
}

}  // namespace
}  // namespace retake
