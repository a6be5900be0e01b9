// The rules of answering, on a channel that the test plays; then the same with a real child and the
// kernel's channel.
#include "supervisor/notify.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/audit.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>

#include "tests/unit/supervisor/notified_child.h"

namespace retake {
namespace {

using Received = NotifyChannel::Received;
using Sent = NotifyChannel::Sent;

class FakeMemory : public WritableMemory {
 public:
  explicit FakeMemory(std::map<uint64_t, uint8_t>& bytes) : bytes_(bytes) {}
  size_t ReadSome(uint64_t address, void* buffer, size_t size) const override {
    size_t done = 0;
    for (; done < size && bytes_.contains(address + done); ++done) {
      static_cast<uint8_t*>(buffer)[done] = bytes_.at(address + done);
    }
    return done;
  }
  bool Write(uint64_t address, ByteSpan bytes) override {
    for (uint8_t byte : bytes) {
      if (!bytes_.contains(address)) return false;
      bytes_[address++] = byte;
    }
    return true;
  }

 private:
  std::map<uint64_t, uint8_t>& bytes_;
};

class FakeChannel : public NotifyChannel {
 public:
  Result<Received> Receive(seccomp_notif& call) override {
    if (incoming.empty()) return Received::kHangup;
    std::optional<seccomp_notif> next = incoming.front();
    incoming.pop_front();
    if (!next) return Received::kWithdrawn;
    call = *next;
    return Received::kCall;
  }
  bool StillWaiting(uint64_t id) override { return id != gone_before_write; }
  Result<Sent> Send(uint64_t id, int64_t result) override {
    if (id == gone_at_send) return Sent::kWithdrawn;
    sent.emplace_back(id, result);
    return Sent::kDone;
  }
  Result<Sent> SendFd(uint64_t id, int fd, bool) override {
    if (fd_error != 0) return Error(fd_error, "no number left");
    sent.emplace_back(id, 1000 + fd);
    return Sent::kDone;
  }
  std::unique_ptr<WritableMemory> MemoryOf(pid_t) override {
    return std::make_unique<FakeMemory>(memory);
  }
  void Stop() override {}
  void Close() override {}

  std::deque<std::optional<seccomp_notif>> incoming;
  std::vector<std::pair<uint64_t, int64_t>> sent;
  std::map<uint64_t, uint8_t> memory;
  uint64_t gone_before_write = 0;
  uint64_t gone_at_send = 0;
  int fd_error = 0;
};

class FakeHandler : public CallHandler {
 public:
  FakeHandler(Sys sys, std::function<Answer(const NotifyCall&)> answer)
      : sys_(sys), answer_(std::move(answer)) {}
  bool Handles(Sys sys) const override { return sys == sys_; }
  Answer Handle(const NotifyCall& call) override {
    handled.push_back(call.id);
    numbers.push_back(call.number);
    return answer_(call);
  }
  void Answered(const NotifyCall& call) override { answered.push_back(call.id); }

  std::vector<uint64_t> handled;
  std::vector<uint64_t> answered;
  std::vector<int64_t> numbers;

 private:
  Sys sys_;
  std::function<Answer(const NotifyCall&)> answer_;
};

seccomp_notif Notification(uint64_t id, uint32_t audit_arch, int number) {
  seccomp_notif notification{};
  notification.id = id;
  notification.pid = 1234;
  notification.data.arch = audit_arch;
  notification.data.nr = number;
  notification.data.args[0] = 0x1000;
  return notification;
}

NotifyCounts RunAll(FakeChannel& channel, const ArchDescription& arch, CallHandler& handler) {
  CallHandler* handlers[] = {&handler};
  NotifyDispatcher dispatcher(channel, arch, handlers);
  for (;;) {
    auto more = dispatcher.Step();
    EXPECT_TRUE(more.ok());
    if (!more.ok() || !*more) return dispatcher.counts();
  }
}

TEST(NotifyDispatcher, S03_CallsAreDispatchedByTheNativeNumbers) {
  for (const auto& [arch, openat] :
       {std::pair{&X86_64Description(), 257}, std::pair{&Aarch64Description(), 56}}) {
    FakeHandler handler(Sys::openat, [](const NotifyCall&) { return Answer::Value(7); });
    FakeChannel channel;
    channel.incoming = {Notification(1, arch->audit_arch, openat),
                        Notification(2, arch->audit_arch, openat == 56 ? 257 : 56)};
    const NotifyCounts counts = RunAll(channel, *arch, handler);
    EXPECT_EQ(handler.handled, std::vector<uint64_t>{1});
    EXPECT_EQ(handler.numbers, std::vector<int64_t>{openat});
    EXPECT_EQ(channel.sent, (std::vector<std::pair<uint64_t, int64_t>>{{1, 7}, {2, -ENOSYS}}));
    EXPECT_EQ(counts.answered, 1u);
    EXPECT_EQ(counts.refused, 1u);
  }
}

TEST(NotifyDispatcher, ANumberOfAnotherArchitectureReachesNoHandler) {
  FakeHandler handler(Sys::openat, [](const NotifyCall&) { return Answer::Value(7); });
  FakeChannel channel;
  channel.incoming = {Notification(1, AUDIT_ARCH_I386, 257)};
  RunAll(channel, X86_64Description(), handler);
  EXPECT_TRUE(handler.handled.empty());
  EXPECT_EQ(channel.sent, (std::vector<std::pair<uint64_t, int64_t>>{{1, -ENOSYS}}));
}

class DispatchOnHost : public testing::Test {
 protected:
  seccomp_notif Call(uint64_t id) {
    return Notification(id, HostArch().audit_arch, HostArch().NumberOf(Sys::openat));
  }
  FakeHandler WritingHandler() {
    return FakeHandler(Sys::openat, [](const NotifyCall& call) {
      Answer answer = Answer::Value(0);
      answer.WriteValue(call.args[0], uint32_t{0x04030201});
      return answer;
    });
  }
  void MapWord() {
    for (uint64_t i = 0; i < 4; ++i) channel_.memory[0x1000 + i] = 0;
  }
  uint32_t Word() {
    uint32_t value = 0;
    FakeMemory(channel_.memory).ReadValue(0x1000, &value);
    return value;
  }
  FakeChannel channel_;
};

TEST_F(DispatchOnHost, WritesComeBeforeTheAnswerAndEffectsAfter) {
  FakeHandler handler = WritingHandler();
  MapWord();
  channel_.incoming = {Call(5)};
  RunAll(channel_, HostArch(), handler);
  EXPECT_EQ(Word(), 0x04030201u);
  EXPECT_EQ(channel_.sent, (std::vector<std::pair<uint64_t, int64_t>>{{5, 0}}));
  EXPECT_EQ(handler.answered, std::vector<uint64_t>{5});
}

TEST_F(DispatchOnHost, MemoryThatCantBeWrittenIsEfault) {
  FakeHandler handler = WritingHandler();
  channel_.incoming = {Call(5)};
  RunAll(channel_, HostArch(), handler);
  EXPECT_EQ(channel_.sent, (std::vector<std::pair<uint64_t, int64_t>>{{5, -EFAULT}}));
}

TEST_F(DispatchOnHost, ACallThatIsGoneAfterTheHandlerReadIsNotWrittenFor) {
  FakeHandler handler = WritingHandler();
  MapWord();
  channel_.gone_before_write = 5;
  channel_.incoming = {Call(5), Call(6)};
  const NotifyCounts counts = RunAll(channel_, HostArch(), handler);
  EXPECT_EQ(handler.handled, (std::vector<uint64_t>{5, 6}));
  EXPECT_EQ(handler.answered, std::vector<uint64_t>{6});
  EXPECT_EQ(channel_.sent, (std::vector<std::pair<uint64_t, int64_t>>{{6, 0}}));
  EXPECT_EQ(counts.withdrawn, 1u);

  MapWord();
  channel_.incoming = {Call(5)};
  RunAll(channel_, HostArch(), handler);
  EXPECT_EQ(Word(), 0u);
}

// DESIGN, trap 2.
TEST_F(DispatchOnHost, EffectsApplyOnlyOnceTheAnswerWasTaken) {
  FakeHandler handler = WritingHandler();
  MapWord();
  channel_.gone_at_send = 5;
  channel_.incoming = {Call(5), std::nullopt, Call(6)};
  const NotifyCounts counts = RunAll(channel_, HostArch(), handler);
  EXPECT_EQ(handler.answered, std::vector<uint64_t>{6});
  EXPECT_EQ(counts.withdrawn, 2u);
  EXPECT_EQ(counts.answered, 1u);
}

TEST_F(DispatchOnHost, ADescriptorThatDoesntFitIsTheProgramsError) {
  FakeHandler handler(Sys::openat,
                      [](const NotifyCall&) { return Answer::Descriptor(Fd(dup(0)), true); });
  channel_.fd_error = EMFILE;
  channel_.incoming = {Call(5)};
  RunAll(channel_, HostArch(), handler);
  EXPECT_EQ(channel_.sent, (std::vector<std::pair<uint64_t, int64_t>>{{5, -EMFILE}}));
}

// --- With the kernel ---

// Waits up to ten seconds for the listener's thread to end.
bool EndsSoon(const NotifyListener& listener) {
  for (int i = 0; i < 10'000 && !listener.done(); ++i) usleep(1000);
  return listener.done();
}

TEST(NotifyListener, S03_AProgramsOpenatIsSeenWithItsNativeNumberAndPath) {
  std::string path;
  FakeHandler handler(Sys::openat, [&path](const NotifyCall& call) {
    call.memory->ReadString(call.args[1], &path);
    return Answer::Errno(ENOTNAM);
  });
  NotifiedChild child({Sys::openat}, [] {
    const long result = syscall(SYS_openat, AT_FDCWD, "/a/path/that/is/read", O_RDONLY);
    return result == -1 && errno == ENOTNAM ? 0 : 1;
  });
  CallHandler* handlers[] = {&handler};
  auto listener = NotifyListener::Start(child.TakeListener(), HostArch(), handlers);
  ASSERT_TRUE(listener.ok()) << listener.error().Message();
  child.Go();
  EXPECT_EQ(child.Wait(), 0);
  ASSERT_TRUE(EndsSoon(**listener)) << "the thread should end with the last task";
  EXPECT_TRUE((*listener)->status().ok());
  EXPECT_EQ(path, "/a/path/that/is/read");
  EXPECT_EQ(handler.numbers, std::vector<int64_t>{SYS_openat});
  EXPECT_EQ(handler.answered.size(), 1u);
}

TEST(NotifyListener, GivesTheProgramADescriptor) {
  Fd file(memfd_create("given", MFD_CLOEXEC));
  ASSERT_EQ(write(file.get(), "hello", 5), 5);
  FakeHandler handler(Sys::openat, [&file](const NotifyCall&) {
    return Answer::Descriptor(Fd(dup(file.get())), true);
  });
  NotifiedChild child({Sys::openat}, [] {
    const int fd = static_cast<int>(syscall(SYS_openat, AT_FDCWD, "/no/such/file", O_RDONLY));
    char text[6] = {};
    if (fd < 0 || pread(fd, text, 5, 0) != 5 || std::string_view(text) != "hello") return 1;
    return (fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0 ? 0 : 2;
  });
  CallHandler* handlers[] = {&handler};
  auto listener = NotifyListener::Start(child.TakeListener(), HostArch(), handlers);
  ASSERT_TRUE(listener.ok()) << listener.error().Message();
  child.Go();
  EXPECT_EQ(child.Wait(), 0);
}

TEST(NotifyListener, WithNoNumberLeftTheProgramGetsEmfile) {
  FakeHandler handler(Sys::openat,
                      [](const NotifyCall&) { return Answer::Descriptor(Fd(dup(0)), false); });
  NotifiedChild child({Sys::openat}, [] {
    while (dup(0) >= 0) {
    }
    const long result = syscall(SYS_openat, AT_FDCWD, "/", O_RDONLY);
    return result == -1 && errno == EMFILE ? 0 : 1;
  });
  CallHandler* handlers[] = {&handler};
  auto listener = NotifyListener::Start(child.TakeListener(), HostArch(), handlers);
  ASSERT_TRUE(listener.ok());
  child.Go();
  EXPECT_EQ(child.Wait(), 0);
}

TEST(NotifyListener, AStoppedListenerLeavesTheProgramWithErrorsNotWithTheCall) {
  FakeHandler handler(Sys::openat, [](const NotifyCall&) { return Answer::Value(0); });
  NotifiedChild child({Sys::openat}, [] {
    const long result = syscall(SYS_openat, AT_FDCWD, "/", O_RDONLY);
    return result == -1 && errno == ENOSYS ? 0 : 1;
  });
  CallHandler* handlers[] = {&handler};
  auto listener = NotifyListener::Start(child.TakeListener(), HostArch(), handlers);
  ASSERT_TRUE(listener.ok());
  listener->reset();  // joins: bounded by the stop, though the child lives
  child.Go();
  EXPECT_EQ(child.Wait(), 0);
  EXPECT_TRUE(handler.handled.empty());
}

// A signal withdraws a call that nobody has answered (flags 0: WAIT_KILLABLE_RECV off), and it
// comes again: one answer must take effect for one call, however often it came.
TEST(NotifyListener, AnInterruptedCallComesAgainAndCountsOnce) {
  constexpr int kCalls = 20;
  bool interrupt = false;
  FakeHandler handler(Sys::getppid, [&interrupt](const NotifyCall& call) {
    interrupt = !interrupt;
    if (interrupt) {
      kill(call.tid, SIGUSR1);
      usleep(5000);  // the program takes the signal, which withdraws the call
    }
    return Answer::Value(77);
  });
  NotifiedChild child(
      {Sys::getppid},
      [] {
        struct sigaction action {};
        action.sa_handler = [](int) {};
        action.sa_flags = SA_RESTART;
        sigaction(SIGUSR1, &action, nullptr);
        int wrong = 0;
        for (int i = 0; i < kCalls; ++i) wrong += syscall(SYS_getppid) != 77;
        return wrong == 0 ? 0 : 1;
      },
      0);
  CallHandler* handlers[] = {&handler};
  auto listener = NotifyListener::Start(child.TakeListener(), HostArch(), handlers);
  ASSERT_TRUE(listener.ok());
  child.Go();
  EXPECT_EQ(child.Wait(), 0);
  ASSERT_TRUE(EndsSoon(**listener));
  EXPECT_EQ(handler.answered.size(), static_cast<size_t>(kCalls));
  EXPECT_GT(handler.handled.size(), handler.answered.size())
      << "no call was interrupted: this test showed nothing";
}

TEST(NotifyListener, AProgramKilledInACallIsNoError) {
  std::atomic<bool> asked = false;
  FakeHandler handler(Sys::getppid, [&asked](const NotifyCall&) {
    asked = true;
    usleep(20'000);
    return Answer::Value(1);
  });
  NotifiedChild child({Sys::getppid}, [] {
    syscall(SYS_getppid);
    pause();
    return 1;
  });
  CallHandler* handlers[] = {&handler};
  auto listener = NotifyListener::Start(child.TakeListener(), HostArch(), handlers);
  ASSERT_TRUE(listener.ok());
  child.Go();
  for (int i = 0; i < 10'000 && !asked; ++i) usleep(1000);
  ASSERT_TRUE(asked);
  child.Kill();
  const int status = child.Wait();
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
  ASSERT_TRUE(EndsSoon(**listener));
  EXPECT_TRUE((*listener)->status().ok()) << (*listener)->status().error().Message();
}

}  // namespace
}  // namespace retake
