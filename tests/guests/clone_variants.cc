// R04: clone by its raw forms: exit signals, tids stored, stacks given, clone3, flags that a tracer
// must not let pass.
#include <linux/sched.h>
#include <sched.h>
#include <sys/syscall.h>

#include "guest.h"

static int OnOwnStack(void* argument) {
  Say("own stack, argument %d", *static_cast<int*>(argument));
  return 11;
}

static long RawClone(clone_args& args) { return syscall(SYS_clone3, &args, sizeof(args)); }

int main() {
  static char stack[65536];
  int number = 5;
  pid_t pid = clone(OnOwnStack, stack + sizeof(stack), SIGCHLD, &number);
  CHECK(pid > 0);
  Say("%s", StatusText(WaitFor(pid)).c_str());

  pid_t parent_tid = 0, child_tid = 0;
  pid = clone(
      [](void* tid) {
        Say("child tid stored: %d", *static_cast<pid_t*>(tid) == getpid());
        return 0;
      },
      stack + sizeof(stack), CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | SIGCHLD, &child_tid,
      &parent_tid, nullptr, &child_tid);
  CHECK(pid > 0 && parent_tid == pid && child_tid == 0);
  CHECK(WaitFor(pid) == 0);

  Handle(SIGUSR2, [](int) {});
  pid = clone(OnOwnStack, stack + sizeof(stack), SIGUSR2, &number);
  int status = 0;
  while (waitpid(pid, &status, __WALL) != pid) CHECK(errno == EINTR);
  Say("other exit signal: %s", StatusText(status).c_str());

  pid = clone(OnOwnStack, stack + sizeof(stack), CLONE_UNTRACED | SIGCHLD, &number);
  CHECK(pid > 0);
  Say("untraced: %s", StatusText(WaitFor(pid)).c_str());

  clone_args args = {};
  int pidfd = -1;
  args.flags = CLONE_PIDFD;
  args.pidfd = reinterpret_cast<uintptr_t>(&pidfd);
  args.exit_signal = SIGCHLD;
  long made = RawClone(args);
  if (made == 0) _exit(12);
  if (made < 0) {
    Say("clone3: errno %d", errno);
  } else {
    siginfo_t info = {};
    CHECK(pidfd >= 0 && waitid(P_PIDFD, pidfd, &info, WEXITED) == 0);
    Say("clone3: status %d", info.si_status);
  }
  args = {};
  args.exit_signal = 1000;
  Say("bad clone3: %ld", RawClone(args));
}
