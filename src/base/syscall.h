// The syscalls that glibc 2.36 has no wrapper for, or answers without the kernel, as retake itself
// makes them. The one place
// outside arch/ and the table that names raw syscall numbers.
#ifndef RETAKE_BASE_SYSCALL_H_
#define RETAKE_BASE_SYSCALL_H_

#include <linux/sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>

namespace retake {

inline int Tgkill(pid_t tgid, pid_t tid, int signal) {
  return static_cast<int>(syscall(SYS_tgkill, tgid, tid, signal));
}

inline int ClockGettime(clockid_t clock, timespec* time) {
  return static_cast<int>(syscall(SYS_clock_gettime, clock, time));
}

inline int PidfdOpen(pid_t pid, unsigned flags = 0) {
  return static_cast<int>(syscall(SYS_pidfd_open, pid, flags));
}

// Another descriptor of the same open file description.
inline int PidfdGetfd(int pidfd, int number) {
  return static_cast<int>(syscall(SYS_pidfd_getfd, pidfd, number, 0));
}

// `type` is KCMP_*; what the other two are depends on it. 0: the same, more: in an order, less: an
// error.
inline int Kcmp(pid_t pid, pid_t other, int type, uint64_t first, uint64_t second) {
  return static_cast<int>(syscall(SYS_kcmp, pid, other, type, first, second));
}

// `header` and `data` are of <linux/capability.h>.
inline int Capget(void* header, void* data) {
  return static_cast<int>(syscall(SYS_capget, header, data));
}

inline int Capset(void* header, const void* data) {
  return static_cast<int>(syscall(SYS_capset, header, data));
}

inline int GetRobustList(pid_t tid, uint64_t* address, uint64_t* size) {
  return static_cast<int>(syscall(SYS_get_robust_list, tid, address, size));
}

// As fork, with `flags` (the signal of its end in the lowest byte), and nothing else of libc.
inline pid_t Clone(uint64_t flags) {
  return static_cast<pid_t>(syscall(SYS_clone, flags, 0, 0, 0, 0));
}

// The same, but the child gets `pid`; 0: any, which needs no clone3: containers often refuse that.
// With CLONE_PARENT it ends with the signal that this process ends with, else with SIGCHLD. `flags`
// are CLONE_*.
inline pid_t ForkAs(pid_t pid, uint64_t flags = 0) {
  uint64_t exit_signal = (flags & CLONE_PARENT) != 0 ? 0 : SIGCHLD;
  if (pid == 0) return Clone(flags | exit_signal);
  clone_args args{};
  args.flags = flags;
  args.exit_signal = exit_signal;
  args.set_tid = reinterpret_cast<uint64_t>(&pid);
  args.set_tid_size = 1;
  return static_cast<pid_t>(syscall(SYS_clone3, &args, sizeof args));
}

inline int LandlockCreateRuleset(const void* rules, size_t size, uint32_t flags) {
  return static_cast<int>(syscall(SYS_landlock_create_ruleset, rules, size, flags));
}

// The bytes of the mask that were written; libc's wrapper doesn't tell.
inline int SchedGetaffinity(pid_t tid, size_t size, void* mask) {
  return static_cast<int>(syscall(SYS_sched_getaffinity, tid, size, mask));
}

inline int SchedSetaffinity(pid_t tid, size_t size, const void* mask) {
  return static_cast<int>(syscall(SYS_sched_setaffinity, tid, size, mask));
}

// `attributes` is a struct sched_attr of `size` bytes.
inline int SchedGetattr(pid_t tid, void* attributes, uint32_t size) {
  return static_cast<int>(syscall(SYS_sched_getattr, tid, attributes, size, 0));
}

inline int SchedSetattr(pid_t tid, void* attributes) {
  return static_cast<int>(syscall(SYS_sched_setattr, tid, attributes, 0));
}

// `which` is kIoprioWho*.
inline int IoprioGet(int which, int who) {
  return static_cast<int>(syscall(SYS_ioprio_get, which, who));
}

inline int IoprioSet(int which, int who, int priority) {
  return static_cast<int>(syscall(SYS_ioprio_set, which, who, priority));
}

}  // namespace retake

#endif  // RETAKE_BASE_SYSCALL_H_
