// R08: a program that installs a filter of its own. While it is recorded that is refused (EINVAL),
// as a kernel without filters would; so nothing here is compared with the native run.
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "guest.h"

static int Install(long number, uint32_t action) {
  sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<uint32_t>(number), 0, 1),
      BPF_STMT(BPF_RET | BPF_K, action),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  sock_fprog program = {4, code};
  return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

int main() {
  CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
  if (WaitFor(Child([] { _exit(Install(SYS_getppid, SECCOMP_RET_ALLOW) == 0 ? 0 : errno); })) !=
      0) {
    Vary("a filter is refused");
    return 0;
  }
  InChild([] {
    CHECK(Install(SYS_getppid, SECCOMP_RET_ERRNO | 77) == 0);
    long result = syscall(SYS_getppid);
    Vary("getppid %ld errno %d", result, errno);
    Vary("getpid works %d", getpid() > 0);
  });
  Handle(SIGSYS, [](int) { Vary("trapped"); });
  InChild([] {
    CHECK(Install(SYS_getppid, SECCOMP_RET_TRAP) == 0);
    syscall(SYS_getppid);
    Vary("after the trap");
  });
  signal(SIGSYS, SIG_DFL);
  pid_t pid = Child([] {
    CHECK(Install(SYS_getppid, SECCOMP_RET_KILL_PROCESS) == 0);
    syscall(SYS_getppid);
    Vary("never");
  });
  Vary("%s", StatusText(WaitFor(pid)).c_str());
}
