// container_like: runs a command as an unprivileged container would see it.
//
//   container_like COMMAND ARGUMENT...
//
// As root it first becomes nobody; then, for anyone: no capabilities, no new privileges, and a
// seccomp filter that refuses what Docker's default profile refuses to a container without
// CAP_SYS_ADMIN and CAP_SYS_PTRACE (moby, profiles/seccomp/default.json): namespaces, mounts, bpf,
// keys, userfaultfd, perf_event_open, pidfd_getfd, kcmp and personalities other than the usual, all
// with EPERM; clone3 with ENOSYS, so that libraries fall back to clone, whose flags a filter can
// read. ptrace, process_vm_* and seccomp stay allowed, as they are there on kernels since 4.8. The
// profile is a list of what is allowed; this is the list of what that leaves out and a program of
// today might try.
#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <vector>

#include "base/result.h"

namespace retake {
namespace {

constexpr uid_t kNobody = 65534;

// Namespace flags of clone and unshare (<linux/sched.h>), the mask of Docker's profile: 0x7E020000.
constexpr uint64_t kNamespaceFlags = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC |
                                     CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET;

// Refused with EPERM, whatever the arguments. Names that libseccomp doesn't know on this
// architecture don't exist there.
constexpr const char* kRefused[] = {
    "acct",
    "add_key",
    "bpf",
    "chroot",
    "clock_adjtime64",
    "clock_settime",
    "create_module",
    "delete_module",
    "fanotify_init",
    "finit_module",
    "fsconfig",
    "fsmount",
    "fsopen",
    "fspick",
    "get_mempolicy",
    "init_module",
    "io_uring_enter",
    "io_uring_register",
    "io_uring_setup",
    "ioperm",
    "iopl",
    "kcmp",
    "kexec_file_load",
    "kexec_load",
    "keyctl",
    "lookup_dcookie",
    "mbind",
    "mount",
    "mount_setattr",
    "move_mount",
    "move_pages",
    "name_to_handle_at",
    "nfsservctl",
    "open_by_handle_at",
    "open_tree",
    "perf_event_open",
    "pidfd_getfd",
    "pivot_root",
    "process_madvise",
    "quotactl",
    "reboot",
    "request_key",
    "set_mempolicy",
    "setdomainname",
    "sethostname",
    "setns",
    "settimeofday",
    "stime",
    "swapoff",
    "swapon",
    "sysfs",
    "syslog",
    "umount",
    "umount2",
    "unshare",
    "uselib",
    "userfaultfd",
    "ustat",
    "vhangup",
    "vm86",
};

// personality values that the profile lets through: PER_LINUX, PER_LINUX32, UNAME26, both, and the
// question.
constexpr uint64_t kPersonalities[] = {0x0, 0x0008, 0x20000, 0x20008, 0xffffffff};

Status Check(int result, const char* what) {
  if (result < 0) return Error(-result, what);
  return {};
}

Status LoadFilter() {
  scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
  if (filter == nullptr) return MakeError("seccomp_init failed");
  uint32_t refuse = SCMP_ACT_ERRNO(EPERM);
  for (const char* name : kRefused) {
    int number = seccomp_syscall_resolve_name(name);
    if (number < 0) continue;
    TRY(Check(seccomp_rule_add(filter, refuse, number, 0), name));
  }
  TRY(Check(seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0), "clone3"));
  for (uint64_t flag = 1; flag != 0 && flag <= kNamespaceFlags; flag <<= 1) {
    if ((kNamespaceFlags & flag) == 0) continue;
    TRY(Check(seccomp_rule_add(filter, refuse, SCMP_SYS(clone), 1,
                               SCMP_A0(SCMP_CMP_MASKED_EQ, flag, flag)),
              "clone"));
  }
  TRY(Check(seccomp_load(filter), "seccomp_load"));
  seccomp_release(filter);
  return {};
}

// A second filter, by hand, since libseccomp can't say "none of these values".
Status LoadPersonalityFilter() {
  constexpr uint32_t kRefuse = SECCOMP_RET_ERRNO | EPERM;
  std::vector<sock_filter> code = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_personality, 1, 0),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args)),
  };
  for (uint32_t value : kPersonalities) {
    code.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, 1));
    code.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
  }
  code.push_back(BPF_STMT(BPF_RET | BPF_K, kRefuse));
  sock_fprog program = {static_cast<unsigned short>(code.size()), code.data()};
  if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
    return ErrnoError("personality filter");
  }
  return {};
}

// Gives up root and every capability, for good.
Status DropPrivileges() {
  for (int capability = 0; capability < 64; ++capability) {
    prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);  // fails where it isn't ours to drop, or none
  }
  if (geteuid() == 0) {
    if (setgroups(0, nullptr) != 0) return ErrnoError("setgroups");
    if (setresgid(kNobody, kNobody, kNobody) != 0) return ErrnoError("setresgid");
    if (setresuid(kNobody, kNobody, kNobody) != 0) return ErrnoError("setresuid");
  }
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct none[2] = {};
  if (syscall(SYS_capset, &header, none) != 0) return ErrnoError("capset");
  // After a change of user a process isn't dumpable, and so nobody's to trace until its next exec.
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return ErrnoError("no_new_privs");
  return {};
}

Status Confine() {
  TRY(DropPrivileges());
  TRY(LoadPersonalityFilter());
  TRY(LoadFilter());
  return {};
}

}  // namespace
}  // namespace retake

int main(int argc, char** argv) {
  if (argc < 2) {
    fprintf(stderr, "usage: container_like COMMAND ARGUMENT...\n");
    return 2;
  }
  if (retake::Status status = retake::Confine(); !status.ok()) {
    fprintf(stderr, "container_like: %s\n", status.error().Message().c_str());
    return 125;
  }
  execvp(argv[1], argv + 1);
  fprintf(stderr, "container_like: %s: %s\n", argv[1], strerror(errno));
  return 127;
}
