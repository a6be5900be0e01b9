// Syscalls by the host's own convention, and the range of errors.
#include "arch/raw_syscall.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "arch/arch.h"

namespace retake {
namespace {

uint64_t Word(const void* pointer) { return reinterpret_cast<uint64_t>(pointer); }

int64_t Call(Sys sys, const SyscallArgs& args = {}) {
  return RawSyscall(HostArch().NumberOf(sys), args);
}

TEST(S06_RawSyscall, NoneToSixArguments) {
  EXPECT_EQ(Call(Sys::getpid), getpid());
  int64_t copy = Call(Sys::dup, {{0}});
  ASSERT_GE(copy, 0);
  EXPECT_EQ(Call(Sys::close, {{static_cast<uint64_t>(copy)}}), 0);
  int pipe[2];
  ASSERT_EQ(Call(Sys::pipe2, {{Word(pipe), O_CLOEXEC}}), 0);
  ASSERT_EQ(Call(Sys::write, {{static_cast<uint64_t>(pipe[1]), Word("hello"), 5}}), 5);
  char text[8] = {};
  ASSERT_EQ(Call(Sys::read, {{static_cast<uint64_t>(pipe[0]), Word(text), sizeof text}}), 5);
  EXPECT_STREQ(text, "hello");
  close(pipe[0]);
  close(pipe[1]);

  // Four: the third of preadv's says how many buffers, the fourth where. Six: mmap heeds each.
  int fd = memfd_create("raw_syscall", MFD_CLOEXEC);
  ASSERT_GE(fd, 0);
  long page = sysconf(_SC_PAGESIZE);
  ASSERT_EQ(ftruncate(fd, 2 * page), 0);
  auto file = static_cast<uint64_t>(fd);
  ASSERT_EQ(Call(Sys::pwrite64, {{file, Word("second"), 6, static_cast<uint64_t>(page)}}), 6);
  int64_t map = Call(Sys::mmap, {{0, static_cast<uint64_t>(page), PROT_READ, MAP_SHARED, file,
                                  static_cast<uint64_t>(page)}});
  ASSERT_FALSE(IsSyscallError(map));
  EXPECT_EQ(memcmp(reinterpret_cast<void*>(map), "second", 6), 0);
  EXPECT_EQ(Call(Sys::munmap, {{static_cast<uint64_t>(map), static_cast<uint64_t>(page)}}), 0);
  // Five: prctl refuses unless the unused ones are zero.
  EXPECT_EQ(Call(Sys::prctl, {{38 /* PR_SET_NO_NEW_PRIVS */, 0, 0, 0, 0}}), -EINVAL);
  EXPECT_EQ(Call(Sys::prctl, {{39 /* PR_GET_NO_NEW_PRIVS */, 0, 0, 0, 0}}), 0);
  EXPECT_EQ(Call(Sys::prctl, {{39, 0, 0, 0, 1}}), -EINVAL);
  close(fd);
}

TEST(S06_RawSyscall, ErrorsAreNegatedAndErrnoIsLeftAlone) {
  errno = 0;
  EXPECT_EQ(Call(Sys::close, {{~uint64_t{0}}}), -EBADF);
  EXPECT_EQ(Call(Sys::openat, {{static_cast<uint64_t>(AT_FDCWD), 8, 0, 0}}), -EFAULT);
  EXPECT_EQ(RawSyscall(10'000), -ENOSYS);
  EXPECT_EQ(errno, 0);
}

TEST(S06_RawSyscall, ErrorsReachTo4095) {
  EXPECT_TRUE(IsSyscallError(-1));
  EXPECT_TRUE(IsSyscallError(-4095));
  EXPECT_FALSE(IsSyscallError(-4096));
  EXPECT_FALSE(IsSyscallError(0));
  EXPECT_FALSE(IsSyscallError(1));
  EXPECT_FALSE(IsSyscallError(INT64_MIN));
  // An address of the vsyscall page is a value.
  EXPECT_FALSE(IsSyscallError(static_cast<int64_t>(0xffff'ffff'ff60'0000)));
}

TEST(Machine, CloneWritesTheChildsTidWhereItIsAskedTo) {
  pid_t tid = 0;
  SyscallArgs args{{CLONE_CHILD_SETTID | SIGCHLD}};
  args.a[HostArch().abi.clone_child_tid_arg] = Word(&tid);
  int64_t child = Call(Sys::clone, args);
  ASSERT_GE(child, 0);
  // In its own copy of memory.
  if (child == 0) _exit(tid == Call(Sys::getpid) ? 0 : 1);
  int status = 0;
  ASSERT_EQ(waitpid(static_cast<pid_t>(child), &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(tid, 0);
}

TEST(S05_OneBody, OpensByEitherConvention) {
  // The same body on both: by open where the architecture has it, by openat where not.
  const ArchDescription& arch = HostArch();
  const char* path = "/proc/self/comm";
  int64_t fd = arch.NumberOf(Sys::open) >= 0
                   ? Call(Sys::open, {{Word(path), O_RDONLY}})
                   : Call(Sys::openat, {{static_cast<uint64_t>(AT_FDCWD), Word(path), O_RDONLY}});
  ASSERT_GE(fd, 0);
  char byte;
  EXPECT_EQ(read(static_cast<int>(fd), &byte, 1), 1);
  close(static_cast<int>(fd));
  EXPECT_EQ(arch.NumberOf(Sys::openat), SYS_openat);
}

}  // namespace
}  // namespace retake
