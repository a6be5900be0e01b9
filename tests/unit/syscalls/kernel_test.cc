// The table against the kernel that runs this test: calls are made on an arena of memory, and
// whatever changed in it must lie in the ranges that the table gives. What the table keeps of a
// call must also be enough to show it as it would be shown with all of memory at hand.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>

#include "fake_call.h"

namespace retake {
namespace {

using testing::HasSubstr;

// This process's memory, read so that a bad address is no crash.
class OwnMemory : public ReadableMemory {
 public:
  size_t ReadSome(uint64_t address, void* buffer, size_t size) const override {
    iovec local{buffer, size};
    iovec remote{reinterpret_cast<void*>(address), size};
    ssize_t got = process_vm_readv(getpid(), &local, 1, &remote, 1, 0);
    return got < 0 ? 0 : static_cast<size_t>(got);
  }
};

class KernelTest : public testing::Test {
 protected:
  static constexpr size_t kArena = 1 << 18;
  static constexpr uint8_t kFill = 0x5a;

  void SetUp() override {
    void* memory =
        mmap(nullptr, kArena, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ASSERT_NE(memory, MAP_FAILED);
    arena_ = static_cast<uint8_t*>(memory);
    memset(arena_, kFill, kArena);
  }
  void TearDown() override { munmap(arena_, kArena); }

  // `size` bytes of the arena, apart from others.
  template <typename T = uint8_t>
  T* New(size_t size = sizeof(T)) {
    auto* place = reinterpret_cast<T*>(arena_ + used_);
    used_ += (size + 64 + 15) & ~size_t{15};
    EXPECT_LE(used_, kArena);
    return place;
  }
  template <typename T>
  T* Put(const T& value) {
    T* place = New<T>();
    memcpy(place, &value, sizeof value);
    return place;
  }
  const char* Text(std::string_view text) {
    char* place = New<char>(text.size() + 1);
    memcpy(place, text.data(), text.size());
    place[text.size()] = '\0';
    return place;
  }

  // Makes the call and checks it; -errno if it fails.
  template <typename... Args>
  int64_t Make(Sys sys, Args... args) {
    Call call{&HostArch(), sys, HostArch().NumberOf(sys), {Word(args)...}, 0, &memory_};
    SCOPED_TRACE(SysName(sys));
    const Row& row = RowOf(sys);
    std::vector<Range> kept;
    if (PreviewBeforeCall(row)) InputPreviews(row, call, kept);
    std::vector<uint8_t> before(arena_, arena_ + kArena);
    const auto& a = call.args;
    int64_t result = syscall(call.number, a[0], a[1], a[2], a[3], a[4], a[5]);
    call.result = result == -1 ? -errno : result;

    std::vector<Range> outputs;
    EXPECT_TRUE(OutputRanges(row, call, outputs));
    for (size_t i = 0; i < kArena; ++i) {
      if (before[i] == arena_[i]) continue;
      EXPECT_TRUE(Covers(outputs, reinterpret_cast<uint64_t>(arena_ + i)))
          << FormatCall(call) << " wrote byte " << i << " of the arena";
    }
    if (!PreviewBeforeCall(row)) InputPreviews(row, call, kept);
    kept.insert(kept.end(), outputs.begin(), outputs.end());
    RecordedMemory recorded;
    for (const Range& range : kept) {
      std::vector<uint8_t> bytes(range.size);
      EXPECT_TRUE(memory_.Read(range.address, bytes.data(), bytes.size()))
          << "a range that can't be read";
      recorded.Put(range.address, bytes);
    }
    line_ = FormatCall(call);
    Call from_record = call;
    from_record.memory = &recorded;
    EXPECT_EQ(FormatCall(from_record), line_);
    return call.result;
  }

  std::string line_;  // of the last call

 private:
  template <typename T>
  static uint64_t Word(T value) {
    if constexpr (std::is_pointer_v<T>) {
      return reinterpret_cast<uint64_t>(value);
    } else {
      return static_cast<uint64_t>(value);
    }
  }
  static bool Covers(const std::vector<Range>& ranges, uint64_t address) {
    for (const Range& range : ranges) {
      if (address >= range.address && address - range.address < range.size) return true;
    }
    return false;
  }

  OwnMemory memory_;
  uint8_t* arena_ = nullptr;
  size_t used_ = 0;
};

TEST_F(KernelTest, Files) {
  const char* path = Text("/proc/self/status");
  int64_t fd = Make(Sys::openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
  ASSERT_GE(fd, 0);
  EXPECT_THAT(line_, HasSubstr("openat(AT_FDCWD, \"/proc/self/status\", O_RDONLY|O_CLOEXEC) = "));
  EXPECT_EQ(Make(Sys::read, fd, New(200), 100), 100);
  EXPECT_EQ(Make(Sys::pread64, fd, New(200), 50, 10), 50);
  iovec* iov = New<iovec>(sizeof(iovec) * 2);
  iov[0] = {New(16), 10};
  iov[1] = {New(64), 40};
  EXPECT_EQ(Make(Sys::readv, fd, iov, 2), 50);
  EXPECT_EQ(Make(Sys::preadv, fd, iov, 2, 5, 0), 50);
  EXPECT_EQ(Make(Sys::preadv2, fd, iov, 2, 5, 0, 0), 50);
  EXPECT_EQ(Make(Sys::fstat, fd, New(256)), 0);
  EXPECT_EQ(Make(Sys::newfstatat, AT_FDCWD, Text("/dev/null"), New(256), 0), 0);
  EXPECT_THAT(line_, HasSubstr("{st_mode=S_IFCHR|0666, st_rdev=makedev(0x1, 0x3), ...}"));
  EXPECT_EQ(Make(Sys::statx, AT_FDCWD, path, 0, 0xfff, New(512)), 0);
  EXPECT_EQ(Make(Sys::statfs, path, New(256)), 0);
  EXPECT_THAT(line_, HasSubstr("f_type=PROC_SUPER_MAGIC"));
  EXPECT_GT(Make(Sys::readlinkat, AT_FDCWD, Text("/proc/self/exe"), New(512), 256), 0);
  EXPECT_GT(Make(Sys::getcwd, New(4096), 4096), 0);
  EXPECT_EQ(Make(Sys::newfstatat, AT_FDCWD, Text("/nonexistent"), New(256), 0), -ENOENT);
  int64_t directory = Make(Sys::openat, AT_FDCWD, Text("/proc/self"), O_RDONLY | O_DIRECTORY, 0);
  ASSERT_GE(directory, 0);
  EXPECT_GT(Make(Sys::getdents64, directory, New(8192), 8192), 0);
  EXPECT_THAT(line_, HasSubstr(" entries */, 8192) = "));
  EXPECT_GE(Make(Sys::fcntl, fd, F_GETFL), 0);
  struct flock lock = {F_WRLCK, SEEK_SET, 0, 10, 0};
  Make(Sys::fcntl, fd, F_GETLK, Put(lock));
  EXPECT_EQ(Make(Sys::pipe2, New<int[2]>(), O_CLOEXEC), 0);
  close(static_cast<int>(directory));
  EXPECT_EQ(Make(Sys::close, fd), 0);
  EXPECT_EQ(Make(Sys::close, fd), -EBADF);
}

TEST_F(KernelTest, Sockets) {
  int* pair = New<int>(8);
  ASSERT_EQ(Make(Sys::socketpair, AF_UNIX, SOCK_STREAM, 0, pair), 0);
  EXPECT_EQ(Make(Sys::sendto, pair[0], Text("hello"), 5, 0, 0, 0), 5);
  EXPECT_EQ(Make(Sys::recvfrom, pair[1], New(64), 64, MSG_PEEK, New(128), Put<socklen_t>(128)), 5);
  iovec* iov = New<iovec>(sizeof(iovec) * 2);
  iov[0] = {New(2), 2};
  iov[1] = {New(64), 64};
  msghdr message = {};
  message.msg_name = New(128);
  message.msg_namelen = 128;
  message.msg_iov = iov;
  message.msg_iovlen = 2;
  message.msg_control = New(64);
  message.msg_controllen = 64;
  EXPECT_EQ(Make(Sys::recvmsg, pair[1], Put(message), 0), 5);
  // Descriptors go through the control buffer.
  msghdr rights = {};
  rights.msg_iov = iov;
  rights.msg_iovlen = 1;
  rights.msg_control = New(64);
  rights.msg_controllen = CMSG_SPACE(sizeof(int));
  cmsghdr* control = CMSG_FIRSTHDR(&rights);
  control->cmsg_len = CMSG_LEN(sizeof(int));
  control->cmsg_level = SOL_SOCKET;
  control->cmsg_type = SCM_RIGHTS;
  memcpy(CMSG_DATA(control), &pair[0], sizeof(int));
  EXPECT_EQ(Make(Sys::sendmsg, pair[0], Put(rights), 0), 2);
  EXPECT_THAT(line_, HasSubstr("cmsg_type=SCM_RIGHTS, cmsg_data=["));
  EXPECT_EQ(Make(Sys::recvmsg, pair[1], Put(message), 0), 2);
  // Many at a time.
  mmsghdr* many = New<mmsghdr>(sizeof(mmsghdr) * 2);
  for (int i = 0; i < 2; ++i) {
    many[i] = {};
    many[i].msg_hdr.msg_iov = iov;
    many[i].msg_hdr.msg_iovlen = 1;
  }
  EXPECT_EQ(Make(Sys::sendmmsg, pair[0], many, 2, 0), 2);
  EXPECT_GE(Make(Sys::recvmmsg, pair[1], many, 2, MSG_DONTWAIT, Put(timespec{1, 0})), 1);
  EXPECT_EQ(Make(Sys::getsockopt, pair[0], SOL_SOCKET, SO_PEERCRED, New(64), Put<socklen_t>(64)),
            0);
  EXPECT_EQ(Make(Sys::getsockopt, pair[0], SOL_SOCKET, SO_ERROR, New(4), Put<socklen_t>(4)), 0);

  int64_t listener = Make(Sys::socket, AF_INET, SOCK_STREAM, 0);
  ASSERT_GE(listener, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  sockaddr_in* bound = Put(address);
  ASSERT_EQ(Make(Sys::bind, listener, bound, sizeof address), 0);
  ASSERT_EQ(Make(Sys::listen, listener, 1), 0);
  ASSERT_EQ(Make(Sys::getsockname, listener, bound, Put<socklen_t>(sizeof address)), 0);
  int64_t client = Make(Sys::socket, AF_INET, SOCK_STREAM, 0);
  ASSERT_EQ(Make(Sys::connect, client, bound, sizeof address), 0);
  // A buffer that is shorter than the address.
  int64_t server = Make(Sys::accept4, listener, New(128), Put<socklen_t>(6), SOCK_CLOEXEC);
  ASSERT_GE(server, 0);
  EXPECT_EQ(Make(Sys::getpeername, server, New(128), Put<socklen_t>(128)), 0);
  for (int64_t fd : {listener, client, server, int64_t{pair[0]}, int64_t{pair[1]}}) {
    close(static_cast<int>(fd));
  }
}

TEST_F(KernelTest, Pollers) {
  int pipe_fds[2];
  ASSERT_EQ(pipe(pipe_fds), 0);
  ASSERT_EQ(write(pipe_fds[1], "abc", 3), 3);
  pollfd* fds = New<pollfd>(sizeof(pollfd) * 2);
  fds[0] = {pipe_fds[0], POLLIN, 0};
  fds[1] = {pipe_fds[1], POLLOUT, 0};
  EXPECT_EQ(Make(Sys::ppoll, fds, 2, Put(timespec{5, 0}), 0, 8), 2);
  fd_set set;
  FD_ZERO(&set);
  FD_SET(pipe_fds[0], &set);
  EXPECT_EQ(Make(Sys::pselect6, 64, Put(set), 0, 0, Put(timespec{5, 0}), 0), 1);
  EXPECT_EQ(Make(Sys::pselect6, 64, 0, 0, Put(set), Put(timespec{0, 1000}), 0), 0);
  EXPECT_EQ(Make(Sys::pselect6, -1, Put(set), 0, 0, Put(timespec{5, 0}), 0), -EINVAL);
  int64_t epoll = Make(Sys::epoll_create1, EPOLL_CLOEXEC);
  epoll_event event = {};
  event.events = EPOLLIN | EPOLLET;
  event.data.u64 = 7;
  EXPECT_EQ(Make(Sys::epoll_ctl, epoll, EPOLL_CTL_ADD, pipe_fds[0], Put(event)), 0);
  EXPECT_EQ(Make(Sys::epoll_pwait, epoll, New<epoll_event>(sizeof(epoll_event) * 4), 4, 0, 0, 8),
            1);
  EXPECT_THAT(line_, HasSubstr("[{events=EPOLLIN, data={u32=7, u64=7}}], 4, 0, NULL, 8) = 1"));
  EXPECT_EQ(Make(Sys::ioctl, pipe_fds[0], FIONREAD, New<int>()), 0);
  EXPECT_THAT(line_, HasSubstr("FIONREAD, [3]) = 0"));
  for (int64_t fd : {epoll, int64_t{pipe_fds[0]}, int64_t{pipe_fds[1]}})
    close(static_cast<int>(fd));
}

TEST_F(KernelTest, TimeAndTasks) {
  EXPECT_EQ(Make(Sys::clock_gettime, CLOCK_MONOTONIC, New<timespec>()), 0);
  EXPECT_EQ(Make(Sys::clock_getres, CLOCK_REALTIME, New<timespec>()), 0);
  EXPECT_EQ(Make(Sys::gettimeofday, New<timeval>(), New(8)), 0);
  EXPECT_GE(Make(Sys::times, New(32)), 0);
  EXPECT_EQ(Make(Sys::nanosleep, Put(timespec{0, 1000}), New<timespec>()), 0);
  EXPECT_EQ(Make(Sys::getitimer, 0, New(32)), 0);
  EXPECT_EQ(Make(Sys::getrusage, RUSAGE_SELF, New<rusage>()), 0);
  EXPECT_EQ(Make(Sys::prlimit64, 0, RLIMIT_NOFILE, 0, New<rlimit>()), 0);
  EXPECT_EQ(Make(Sys::uname, New(512)), 0);
  EXPECT_EQ(Make(Sys::sysinfo, New(256)), 0);
  EXPECT_EQ(Make(Sys::getrandom, New(64), 33, 0), 33);
  EXPECT_EQ(Make(Sys::getresuid, New<int>(), New<int>(), New<int>()), 0);
  EXPECT_GE(Make(Sys::getgroups, 64, New(256)), 0);
  EXPECT_GT(Make(Sys::sched_getaffinity, 0, 128, New(128)), 0);
  EXPECT_EQ(Make(Sys::sched_getattr, 0, New(128), 56, 0), 0);
  EXPECT_EQ(Make(Sys::getcpu, New<int>(), New<int>(), 0), 0);
  EXPECT_EQ(Make(Sys::rt_sigaction, SIGUSR1, 0, New(64), 8), 0);
  EXPECT_EQ(Make(Sys::rt_sigprocmask, SIG_BLOCK, Put<uint64_t>(0), New<uint64_t>(), 8), 0);
  EXPECT_EQ(Make(Sys::rt_sigpending, New<uint64_t>(), 8), 0);
  EXPECT_EQ(Make(Sys::sigaltstack, 0, New<stack_t>()), 0);
  EXPECT_EQ(Make(Sys::capget, Put<uint64_t>(0x20080522), New(24)), 0);
  EXPECT_EQ(Make(Sys::capget, Put<uint64_t>(0x12345678), New(24)), -EINVAL);
  EXPECT_EQ(Make(Sys::prctl, 16 /* PR_GET_NAME */, New(16)), 0);
  EXPECT_EQ(Make(Sys::execve, Text("/nonexistent"), 0, 0), -ENOENT);

  int child = fork();
  if (child == 0) _exit(3);
  ASSERT_GT(child, 0);
  EXPECT_EQ(Make(Sys::waitid, P_PID, child, New(128), WEXITED | WNOWAIT, New<rusage>()), 0);
  EXPECT_THAT(line_, HasSubstr("si_code=CLD_EXITED, si_pid="));
  EXPECT_EQ(Make(Sys::wait4, child, New<int>(), 0, New<rusage>()), child);
  EXPECT_THAT(line_, HasSubstr("[{WIFEXITED(s) && WEXITSTATUS(s) == 3}]"));
  // Clears its info although it fails.
  EXPECT_EQ(Make(Sys::waitid, P_PID, child, New(128), WEXITED, 0), -ECHILD);
}

TEST_F(KernelTest, SleepsThatASignalInterrupts) {
  struct sigaction action = {}, old;
  action.sa_handler = [](int) {};
  ASSERT_EQ(sigaction(SIGALRM, &action, &old), 0);
  // A signal each millisecond: one arrives while the call sleeps.
  itimerval timer = {{0, 1000}, {0, 1000}}, off = {};
  ASSERT_EQ(setitimer(ITIMER_REAL, &timer, nullptr), 0);
  EXPECT_EQ(Make(Sys::nanosleep, Put(timespec{2, 0}), New<timespec>()), -EINTR);
  EXPECT_THAT(line_, HasSubstr("{tv_sec=2, tv_nsec=0}, {tv_sec=1, tv_nsec="));
  EXPECT_EQ(Make(Sys::clock_nanosleep, CLOCK_MONOTONIC, 0, Put(timespec{2, 0}), New<timespec>()),
            -EINTR);
  EXPECT_EQ(Make(Sys::ppoll, 0, 0, Put(timespec{2, 0}), 0, 8), -EINTR);
  EXPECT_EQ(Make(Sys::pselect6, 0, 0, 0, 0, Put(timespec{2, 0}), 0), -EINTR);
  ASSERT_EQ(setitimer(ITIMER_REAL, &off, nullptr), 0);
  ASSERT_EQ(sigaction(SIGALRM, &old, nullptr), 0);
}

}  // namespace
}  // namespace retake
