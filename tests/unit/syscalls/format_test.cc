// Calls as lines. The expected lines are strace's own (6.1), made by running such calls under it;
// where retake knows less or more than strace, the test says so.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fake_call.h"
#include "syscalls/decode.h"

namespace retake {
namespace {

constexpr uint64_t kA = 0x10000, kB = 0x20000, kC = 0x30000, kD = 0x40000;
constexpr uint64_t kAtFdcwd = static_cast<uint64_t>(-100);
constexpr uint64_t kMinusOne = ~0ull;

TEST(Format, OpensAFile) {
  FakeCall fake(Sys::openat, {kAtFdcwd, kA, O_RDONLY | 02000000}, 3);
  fake.memory.PutText(kA, "/etc/ld.so.cache");
  EXPECT_EQ(FormatCall(fake.call),
            "openat(AT_FDCWD, \"/etc/ld.so.cache\", O_RDONLY|O_CLOEXEC) = 3");
  EXPECT_EQ(FormatCallEntry(fake.call),
            "openat(AT_FDCWD, \"/etc/ld.so.cache\", O_RDONLY|O_CLOEXEC)");
  fake.call.args[2] = 02000000 | 01102;
  fake.call.args[3] = 0644;
  EXPECT_EQ(FormatCall(fake.call),
            "openat(AT_FDCWD, \"/etc/ld.so.cache\", O_RDWR|O_CREAT|O_TRUNC|O_CLOEXEC, 0644) = 3");
}

TEST(S18_FlagValues, OpenFlagsAreNamedByTheArchitecturesOwnValues) {
  for (const ArchDescription* arch : {&X86_64Description(), &Aarch64Description()}) {
    FakeCall fake(
        Sys::openat,
        {kAtFdcwd, kA,
         arch->flags.o_directory | arch->flags.o_nofollow | arch->flags.o_direct | 02000000},
        3, *arch);
    fake.memory.PutText(kA, ".");
    EXPECT_EQ(FormatCall(fake.call),
              "openat(AT_FDCWD, \".\", O_RDONLY|O_DIRECT|O_NOFOLLOW|O_CLOEXEC|O_DIRECTORY) = 3")
        << arch->name;
  }
}

TEST(Format, NamesErrors) {
  FakeCall fake(Sys::faccessat, {kAtFdcwd, kA, 4}, -ENOENT);
  fake.memory.PutText(kA, "/etc/ld.so.preload");
  EXPECT_EQ(FormatCall(fake.call),
            "faccessat(AT_FDCWD, \"/etc/ld.so.preload\", R_OK) = -1 ENOENT (No such file or "
            "directory)");
  fake.call.result = -2000;
  EXPECT_THAT(FormatCall(fake.call), testing::EndsWith(" = -1 (errno 2000)"));
}

TEST(Format, NamesRestarts) {
  FakeCall fake(Sys::nanosleep, {kA, kB}, -516);
  fake.memory.PutWords(kA, {1, 0});
  fake.memory.PutWords(kB, {0, 500});
  EXPECT_EQ(FormatCall(fake.call),
            "nanosleep({tv_sec=1, tv_nsec=0}, {tv_sec=0, tv_nsec=500}) = ? ERESTART_RESTARTBLOCK "
            "(Interrupted by signal)");
  fake.call.result = 0;
  EXPECT_EQ(FormatCall(fake.call), "nanosleep({tv_sec=1, tv_nsec=0}, 0x20000) = 0");
}

TEST(Format, QuotesAndCutsBuffers) {
  FakeCall fake(Sys::read, {3, kA, 832}, 832);
  std::string elf("\177ELF\2\1\1\3\0\0\0\0\0\0\0\0\3\0>\0\1\0\0\0Pi\2\0\0\0\0\0", 32);
  fake.memory.Write(kA, elf.data(), elf.size());
  EXPECT_EQ(
      FormatCall(fake.call),
      "read(3, \"\\177ELF\\2\\1\\1\\3\\0\\0\\0\\0\\0\\0\\0\\0\\3\\0>\\0\\1\\0\\0\\0Pi\\2\\0\\0"
      "\\0\\0\\0\"..., 832) = 832");
  fake.call.result = -EAGAIN;
  EXPECT_EQ(FormatCall(fake.call),
            "read(3, 0x10000, 832) = -1 EAGAIN (Resource temporarily unavailable)");
  EXPECT_EQ(FormatCallEntry(fake.call), "read(3, 0x10000, 832)");
}

TEST(Format, EscapesAsStraceDoes) {
  FakeCall fake(Sys::write, {1, kA, 13}, 13);
  fake.memory.Write(kA, "a\"\\\n\t\r\f\v\0011\0x\377", 13);
  EXPECT_EQ(FormatCall(fake.call),
            "write(1, \"a\\\"\\\\\\n\\t\\r\\f\\v\\0011\\0x\\377\", 13) = 13");
}

TEST(Format, PathsAreNeverCut) {
  FakeCall fake(Sys::chdir, {kA}, 0);
  std::string path = "/" + std::string(100, 'x');
  fake.memory.PutText(kA, path);
  EXPECT_EQ(FormatCall(fake.call), "chdir(\"" + path + "\") = 0");
}

TEST(S19_PageSafeStrings, APathEndsAtTheLastByteBeforeAnUnmappedPage) {
  FakeCall fake(Sys::chdir, {kA + 4096 - 5}, 0);
  fake.memory.PutText(kA + 4096 - 5, "/etc");
  EXPECT_EQ(FormatCall(fake.call), "chdir(\"/etc\") = 0");
  EXPECT_THAT(fake.Previews(), testing::ElementsAre(Range{kA + 4096 - 5, 5}));
  // Without its end it is shown as far as it goes.
  FakeCall endless(Sys::chdir, {kA + 4096 - 4}, -EFAULT);
  endless.memory.Write(kA + 4096 - 4, "/etc", 4);
  EXPECT_EQ(FormatCall(endless.call), "chdir(\"/etc\"...) = -1 EFAULT (Bad address)");
  EXPECT_THAT(endless.Previews(), testing::ElementsAre(Range{kA + 4096 - 4, 4}));
}

TEST(Format, UnreadableMemoryIsAnAddress) {
  EXPECT_EQ(FormatCall(FakeCall(Sys::chdir, {kA}, -EFAULT).call),
            "chdir(0x10000) = -1 EFAULT (Bad address)");
  EXPECT_EQ(FormatCall(FakeCall(Sys::write, {1, kA, 5}, 5).call), "write(1, 0x10000, 5) = 5");
  EXPECT_EQ(FormatCall(FakeCall(Sys::chdir, {0}, -EFAULT).call),
            "chdir(NULL) = -1 EFAULT (Bad address)");
  EXPECT_EQ(FormatCall(FakeCall(Sys::newfstatat, {3, kA, kB, 0x1000}, 0).call),
            "newfstatat(3, 0x10000, 0x20000, AT_EMPTY_PATH) = 0");
}

TEST(Format, Mappings) {
  EXPECT_EQ(FormatCall(FakeCall(Sys::mmap, {0, 8192, 3, 0x22, kMinusOne, 0}, 0x7f0000001000).call),
            "mmap(NULL, 8192, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = "
            "0x7f0000001000");
  EXPECT_EQ(
      FormatCall(FakeCall(Sys::mmap, {kA, 4096, 5, 0x812, 3, 0x1000}, 0x10000).call),
      "mmap(0x10000, 4096, PROT_READ|PROT_EXEC, MAP_PRIVATE|MAP_FIXED|MAP_DENYWRITE, 3, 0x1000) = "
      "0x10000");
  EXPECT_EQ(FormatCall(FakeCall(Sys::mprotect, {kA, 4096, 0}).call),
            "mprotect(0x10000, 4096, PROT_NONE) = 0");
  EXPECT_EQ(FormatCall(FakeCall(Sys::mprotect, {kA, 4096, 0x800}).call),
            "mprotect(0x10000, 4096, 0x800 /* PROT_??? */) = 0");
  EXPECT_EQ(FormatCall(FakeCall(Sys::brk, {0}, 0x5555).call), "brk(NULL) = 0x5555");
  EXPECT_EQ(FormatCall(FakeCall(Sys::madvise, {kA, 4096, 4}).call),
            "madvise(0x10000, 4096, MADV_DONTNEED) = 0");
  EXPECT_EQ(FormatCall(FakeCall(Sys::mremap, {kA, 1, 2, 1}, 0x5000).call),
            "mremap(0x10000, 1, 2, MREMAP_MAYMOVE) = 0x5000");
}

TEST(Format, StatOfBothArchitectures) {
  for (const ArchDescription* arch : {&X86_64Description(), &Aarch64Description()}) {
    FakeCall fake(Sys::fstat, {3, kA}, 0, *arch);
    fake.memory.Put<uint32_t>(kA + arch->abi.stat_mode_offset, 0100644);
    fake.memory.Put<uint64_t>(kA + 48, 43731);
    EXPECT_EQ(FormatCall(fake.call), "fstat(3, {st_mode=S_IFREG|0644, st_size=43731, ...}) = 0");
    fake.memory.Put<uint32_t>(kA + arch->abi.stat_mode_offset, 0020620);
    fake.memory.Put<uint64_t>(kA + arch->abi.stat_rdev_offset, 0x8801);
    EXPECT_EQ(FormatCall(fake.call),
              "fstat(3, {st_mode=S_IFCHR|0620, st_rdev=makedev(0x88, 0x1), ...}) = 0");
  }
}

TEST(Format, DirectoryEntriesAreCounted) {
  FakeCall fake(Sys::getdents64, {3, kA, 32768}, 48);
  fake.memory.Put<uint16_t>(kA + 16, 24);
  fake.memory.Put<uint16_t>(kA + 24 + 16, 24);
  EXPECT_EQ(FormatCall(fake.call), "getdents64(3, 0x10000 /* 2 entries */, 32768) = 48");
  fake.memory.Put<uint16_t>(kA + 24 + 16, 0);  // would go round for ever
  EXPECT_EQ(FormatCall(fake.call), "getdents64(3, 0x10000, 32768) = 48");
}

TEST(Format, ExecShowsItsArguments) {
  FakeCall fake(Sys::execve, {kA, kB, kC}, 0);
  fake.memory.PutText(kA, "/bin/true");
  fake.memory.PutText(kA + 64, "true");
  fake.memory.PutText(kA + 96, std::string(40, 'x'));
  fake.memory.PutWords(kB, {kA + 64, kA + 96, 0});
  fake.memory.PutWords(kC, {kA, 0});
  EXPECT_EQ(FormatCall(fake.call), "execve(\"/bin/true\", [\"true\", \"" + std::string(32, 'x') +
                                       "\"...], 0x30000 /* 1 var */) = 0");
}

TEST(Format, Signals) {
  FakeCall fake(Sys::rt_sigprocmask, {0, kA, kB, 8}, 0);
  fake.memory.PutWords(kA, {6});
  fake.memory.PutWords(kB, {0});
  EXPECT_EQ(FormatCall(fake.call), "rt_sigprocmask(SIG_BLOCK, [INT QUIT], [], 8) = 0");
  fake.memory.PutWords(kA, {~0ull});
  fake.memory.PutWords(kB, {3ull << 31});
  EXPECT_EQ(FormatCall(fake.call), "rt_sigprocmask(SIG_BLOCK, ~[], [RTMIN RT_1], 8) = 0");
  EXPECT_EQ(FormatCall(FakeCall(Sys::kill, {77, 15}).call), "kill(77, SIGTERM) = 0");
  EXPECT_EQ(FormatCall(FakeCall(Sys::tgkill, {77, 77, 34}).call), "tgkill(77, 77, SIGRT_2) = 0");
  EXPECT_EQ(FormatCall(FakeCall(Sys::kill, {kMinusOne, 0}).call), "kill(-1, 0) = 0");
}

TEST(Format, SigactionOfBothArchitectures) {
  for (const ArchDescription* arch : {&X86_64Description(), &Aarch64Description()}) {
    const AbiLayout& abi = arch->abi;
    FakeCall fake(Sys::rt_sigaction, {10, kA, 0, 8}, 0, *arch);
    fake.memory.Put<uint64_t>(kA, 0x1234);
    fake.memory.Put<uint64_t>(kA + abi.ksigaction_flags_offset, 0x14000000);
    fake.memory.Put<uint64_t>(kA + abi.ksigaction_mask_offset, 2);
    std::string restorer;
    if (abi.has_sa_restorer) {
      fake.memory.Put<uint64_t>(kA + abi.ksigaction_flags_offset + 8, 0x5678);
      restorer = ", sa_restorer=0x5678";
    }
    EXPECT_EQ(FormatCall(fake.call),
              "rt_sigaction(SIGUSR1, {sa_handler=0x1234, sa_mask=[INT], "
              "sa_flags=SA_RESTORER|SA_RESTART" +
                  restorer + "}, NULL, 8) = 0");
  }
}

TEST(Format, Waits) {
  FakeCall fake(Sys::wait4, {kMinusOne, kA, 0, 0}, 123);
  struct {
    uint32_t status;
    const char* text;
  } const cases[] = {
      {0x300, "[{WIFEXITED(s) && WEXITSTATUS(s) == 3}]"},
      {9, "[{WIFSIGNALED(s) && WTERMSIG(s) == SIGKILL}]"},
      {0x86, "[{WIFSIGNALED(s) && WTERMSIG(s) == SIGABRT && WCOREDUMP(s)}]"},
      {0x137f, "[{WIFSTOPPED(s) && WSTOPSIG(s) == SIGSTOP}]"},
      {0xffff, "[{WIFCONTINUED(s)}]"},
  };
  for (const auto& c : cases) {
    fake.memory.Put(kA, c.status);
    EXPECT_EQ(FormatCall(fake.call), std::string("wait4(-1, ") + c.text + ", 0, NULL) = 123");
  }
  fake.call.result = -ECHILD;
  EXPECT_EQ(FormatCall(fake.call), "wait4(-1, 0x10000, 0, NULL) = -1 ECHILD (No child processes)");
}

TEST(Format, Clones) {
  constexpr uint64_t kFork = 0x01200000 | 17;
  for (const ArchDescription* arch : {&X86_64Description(), &Aarch64Description()}) {
    FakeCall fake(Sys::clone, {kFork, 0, 0, 0, 0}, 99, *arch);
    fake.call.args[arch->abi.clone_child_tid_arg] = 0x7f00;
    EXPECT_EQ(FormatCall(fake.call),
              "clone(child_stack=NULL, flags=CLONE_CHILD_CLEARTID|CLONE_CHILD_SETTID|SIGCHLD, "
              "child_tidptr=0x7f00) = 99");
  }
  FakeCall clone3(Sys::clone3, {kA, 88}, 99);
  clone3.memory.PutWords(kA, {0x100004100, 0, 0, 0, 17, kB, 0x9000, 0});
  EXPECT_EQ(FormatCall(clone3.call),
            "clone3({flags=CLONE_VM|CLONE_VFORK|CLONE_CLEAR_SIGHAND, exit_signal=SIGCHLD, "
            "stack=0x20000, stack_size=0x9000}, 88) = 99");
  EXPECT_EQ(FormatCall(FakeCall(Sys::exit_group, {0}).call), "exit_group(0) = ?");
}

TEST(Format, Futexes) {
  EXPECT_EQ(FormatCall(FakeCall(Sys::futex, {kA, 129, 0x7fffffff}, 0).call),
            "futex(0x10000, FUTEX_WAKE_PRIVATE, 2147483647) = 0");
  EXPECT_EQ(FormatCall(FakeCall(Sys::futex, {kA, 393, 1, 0, 0, 0xffffffff}, -EAGAIN).call),
            "futex(0x10000, FUTEX_WAIT_BITSET_PRIVATE|FUTEX_CLOCK_REALTIME, 1, NULL, "
            "FUTEX_BITSET_MATCH_ANY) = -1 EAGAIN (Resource temporarily unavailable)");
}

TEST(Format, SocketsAndAddresses) {
  EXPECT_EQ(FormatCall(FakeCall(Sys::socket, {2, 02000001, 0}, 3).call),
            "socket(AF_INET, SOCK_STREAM|SOCK_CLOEXEC, IPPROTO_IP) = 3");
  EXPECT_EQ(FormatCall(FakeCall(Sys::socket, {1, 2, 0}, 3).call),
            "socket(AF_UNIX, SOCK_DGRAM, 0) = 3");
  EXPECT_EQ(FormatCall(FakeCall(Sys::socket, {16, 3, 0}, 3).call),
            "socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE) = 3");
  FakeCall inet(Sys::connect, {3, kA, 16}, 0);
  inet.memory.Write(kA, "\2\0\0\65\177\0\0\1\0\0\0\0\0\0\0\0", 16);
  EXPECT_EQ(
      FormatCall(inet.call),
      "connect(3, {sa_family=AF_INET, sin_port=htons(53), sin_addr=inet_addr(\"127.0.0.1\")}, "
      "16) = 0");
  FakeCall inet6(Sys::connect, {3, kA, 28}, 0);
  inet6.memory.Write(kA, "\12\0\0\120\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0\0", 28);
  EXPECT_EQ(FormatCall(inet6.call),
            "connect(3, {sa_family=AF_INET6, sin6_port=htons(80), sin6_flowinfo=htonl(0), "
            "inet_pton(AF_INET6, \"::1\", &sin6_addr), sin6_scope_id=0}, 28) = 0");
  FakeCall unix_path(Sys::connect, {3, kA, 110}, -ENOENT);
  unix_path.memory.Write(kA, "\1\0/run/sock\0", 12);
  EXPECT_EQ(
      FormatCall(unix_path.call),
      "connect(3, {sa_family=AF_UNIX, sun_path=\"/run/sock\"}, 110) = -1 ENOENT (No such file "
      "or directory)");
  FakeCall abstract(Sys::bind, {3, kA, 6}, 0);
  abstract.memory.Write(kA, "\1\0\0abs", 6);
  EXPECT_EQ(FormatCall(abstract.call), "bind(3, {sa_family=AF_UNIX, sun_path=@\"abs\"}, 6) = 0");
  FakeCall netlink(Sys::bind, {3, kA, 12}, 0);
  netlink.memory.Write(kA, "\20\0\0\0\0\0\0\0\0\0\0\0", 12);
  EXPECT_EQ(FormatCall(netlink.call),
            "bind(3, {sa_family=AF_NETLINK, nl_pid=0, nl_groups=00000000}, 12) = 0");
}

TEST(Format, SocketOptionsByLevel) {
  FakeCall fake(Sys::setsockopt, {3, 1, 2, kA, 4}, 0);
  fake.memory.Put<uint32_t>(kA, 1);
  EXPECT_EQ(FormatCall(fake.call), "setsockopt(3, SOL_SOCKET, SO_REUSEADDR, [1], 4) = 0");
  fake.call.args[1] = 6;
  fake.call.args[2] = 1;
  EXPECT_EQ(FormatCall(fake.call), "setsockopt(3, SOL_TCP, TCP_NODELAY, [1], 4) = 0");
}

TEST(Format, Messages) {
  FakeCall fake(Sys::sendmsg, {4, kA, 0}, 1);
  fake.memory.PutWords(kA, {0, 0, kB, 1, kC, 24, 0});
  fake.memory.PutWords(kB, {kD, 1});
  fake.memory.PutText(kD, "x");
  fake.memory.PutWords(kC, {20, 0x100000001, 7});
  EXPECT_EQ(FormatCall(fake.call),
            "sendmsg(4, {msg_name=NULL, msg_namelen=0, msg_iov=[{iov_base=\"x\", iov_len=1}], "
            "msg_iovlen=1, msg_control=[{cmsg_len=20, cmsg_level=SOL_SOCKET, cmsg_type=SCM_RIGHTS, "
            "cmsg_data=[7]}], msg_controllen=24, msg_flags=0}, 0) = 1");
  fake.memory.PutWords(kC, {~0ull, 0, 0});  // a control length that lies
  EXPECT_THAT(FormatCall(fake.call), testing::HasSubstr("msg_control=[], msg_controllen=24"));
}

TEST(Format, Pollers) {
  FakeCall fake(Sys::ppoll, {kA, 1, 0, 0, 0}, 1);
  fake.memory.PutWords(kA, {0x0001'0001'0000'0000});
  EXPECT_EQ(FormatCall(fake.call),
            "ppoll([{fd=0, events=POLLIN}], 1, NULL, NULL, 0) = 1 ([{fd=0, revents=POLLIN}])");
  fake.call.result = 0;
  EXPECT_EQ(FormatCall(fake.call),
            "ppoll([{fd=0, events=POLLIN}], 1, NULL, NULL, 0) = 0 (Timeout)");

  FakeCall select(Sys::pselect6, {8, kA, kB, 0, kC, 0}, 2);
  select.memory.PutWords(kA, {1 << 7});
  select.memory.PutWords(kB, {1 << 6});
  select.memory.PutWords(kC, {0, 99998298});
  EXPECT_EQ(FormatCall(select.call),
            "pselect6(8, [7], [6], NULL, {tv_sec=0, tv_nsec=99998298}, NULL) = 2 (in [7], out [6], "
            "left {tv_sec=0, tv_nsec=99998298})");

  for (const ArchDescription* arch : {&X86_64Description(), &Aarch64Description()}) {
    FakeCall epoll(Sys::epoll_pwait, {9, kA, 4, kMinusOne, 0, 8}, 2, *arch);
    uint64_t unit = arch->abi.epoll_event_size;
    for (uint64_t i = 0; i < 2; ++i) {
      epoll.memory.Put<uint32_t>(kA + i * unit, 1u << 31 | 1);
      epoll.memory.Put<uint64_t>(kA + (i + 1) * unit - 8, 7 + i);
    }
    EXPECT_EQ(FormatCall(epoll.call),
              "epoll_pwait(9, [{events=EPOLLIN|EPOLLET, data={u32=7, u64=7}}, "
              "{events=EPOLLIN|EPOLLET, data={u32=8, u64=8}}], 4, -1, NULL, 8) = 2");
  }
}

TEST(Format, RequestsByName) {
  EXPECT_EQ(FormatCall(FakeCall(Sys::ioctl, {0, 0x5401, kA}, -ENOTTY).call),
            "ioctl(0, TCGETS, 0x10000) = -1 ENOTTY (Inappropriate ioctl for device)");
  EXPECT_EQ(FormatCall(FakeCall(Sys::ioctl, {0, 0x5451}).call), "ioctl(0, FIOCLEX) = 0");
  EXPECT_EQ(FormatCall(FakeCall(Sys::ioctl, {4, 0x1234abcd, 0x55}).call),
            "ioctl(4, _IOC(_IOC_NONE, 0xab, 0xcd, 0x1234), 0x55) = 0");
  FakeCall winsize(Sys::ioctl, {0, 0x5413, kA});
  winsize.memory.Put<uint64_t>(kA, 80ull << 16 | 24);
  EXPECT_EQ(FormatCall(winsize.call),
            "ioctl(0, TIOCGWINSZ, {ws_row=24, ws_col=80, ws_xpixel=0, ws_ypixel=0}) = 0");
  EXPECT_EQ(FormatCall(FakeCall(Sys::fcntl, {1, 3}, 0x8001).call),
            "fcntl(1, F_GETFL) = 0x8001 (flags O_WRONLY|O_LARGEFILE)");
  EXPECT_EQ(FormatCall(FakeCall(Sys::fcntl, {1, 1}, 1).call),
            "fcntl(1, F_GETFD) = 0x1 (flags FD_CLOEXEC)");
  EXPECT_EQ(FormatCall(FakeCall(Sys::fcntl, {1, 1}, 0).call), "fcntl(1, F_GETFD) = 0");
  EXPECT_EQ(FormatCall(FakeCall(Sys::arch_prctl, {0x1002, 0x7000}).call),
            "arch_prctl(ARCH_SET_FS, 0x7000) = 0");
  FakeCall name(Sys::prctl, {15, kA});
  name.memory.PutText(kA, "worker");
  EXPECT_EQ(FormatCall(name.call), "prctl(PR_SET_NAME, \"worker\") = 0");
}

TEST(Format, LimitsRandomBytesAndNames) {
  FakeCall limit(Sys::prlimit64, {0, 3, 0, kA});
  limit.memory.PutWords(kA, {8 << 20, ~0ull});
  EXPECT_EQ(FormatCall(limit.call),
            "prlimit64(0, RLIMIT_STACK, NULL, {rlim_cur=8192*1024, rlim_max=RLIM64_INFINITY}) = 0");
  FakeCall random(Sys::getrandom, {kA, 4, 1}, 4);
  random.memory.Write(kA, "\x0f\x57 a", 4);
  EXPECT_EQ(FormatCall(random.call), "getrandom(\"\\x0f\\x57\\x20\\x61\", 4, GRND_NONBLOCK) = 4");
  FakeCall uname(Sys::uname, {kA});
  uname.memory.PutText(kA, "Linux");
  uname.memory.PutText(kA + 65, "vm");
  EXPECT_EQ(FormatCall(uname.call), "uname({sysname=\"Linux\", nodename=\"vm\", ...}) = 0");
  EXPECT_EQ(FormatCall(FakeCall(Sys::umask, {022}, 022).call), "umask(022) = 022");
}

TEST(Format, AnUnknownNumberShowsAllItsArguments) {
  FakeCall fake(Sys::kNone, {1, 2, 3, 4, 5, 6}, -ENOSYS);
  fake.call.number = 0x3e7;
  EXPECT_EQ(FormatCall(fake.call),
            "syscall_0x3e7(0x1, 0x2, 0x3, 0x4, 0x5, 0x6) = -1 ENOSYS (Function not implemented)");
}

TEST(Format, EveryTypeButTheOpaqueHasADecoder) {
  for (int i = 0; i < static_cast<int>(Type::kCount); ++i) {
    auto type = static_cast<Type>(i);
    bool shown_as_address = type == Type::kOpaque || type == Type::kHidden;
    EXPECT_EQ(DecoderOf(type) == nullptr, shown_as_address) << i;
  }
}

TEST(Format, HostileMemoryNeitherCrashesNorRunsAway) {
  // The longest is sendmmsg: 32 messages of 32 vectors are shown.
  constexpr size_t kLongestLine = 256 * 1024;
  // Every call, with arguments that point into memory full of one pattern.
  for (int i = 0; i < kSysCount; ++i) {
    for (uint64_t pattern : {uint64_t{0}, ~uint64_t{0}, kA, uint64_t{0x4141414141414141}}) {
      std::vector<uint64_t> memory(1024, pattern);
      for (int64_t result : {int64_t{0}, int64_t{1} << 40, int64_t{-4}}) {
        for (uint64_t other : {kA, ~uint64_t{0}}) {
          FakeCall fake(static_cast<Sys>(i), {kA, kA, other, kA, other, kA}, result);
          fake.memory.Write(kA, memory.data(), memory.size() * sizeof memory[0]);
          EXPECT_LT(FormatCall(fake.call).size(), kLongestLine) << SysName(fake.call.sys);
          EXPECT_LT(FormatCallEntry(fake.call).size(), kLongestLine) << SysName(fake.call.sys);
          std::vector<Range> previews;
          InputPreviews(fake.row(), fake.call, previews);
          uint64_t total = 0;
          for (const Range& range : previews) total += range.size;
          EXPECT_LT(total, 1u << 20) << SysName(fake.call.sys);
        }
      }
    }
  }
}

}  // namespace
}  // namespace retake
