// The syscalls that glibc 2.36 has no wrapper for, or answers without the kernel, as retake itself
// makes them. The one place
// outside arch/ and the table that names raw syscall numbers.
#ifndef RETAKE_BASE_SYSCALL_H_
#define RETAKE_BASE_SYSCALL_H_

#include <signal.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

namespace retake {

inline int Tgkill(pid_t tgid, pid_t tid, int signal) {
  return static_cast<int>(syscall(SYS_tgkill, tgid, tid, signal));
}

inline int ClockGettime(clockid_t clock, timespec* time) {
  return static_cast<int>(syscall(SYS_clock_gettime, clock, time));
}

}  // namespace retake

#endif  // RETAKE_BASE_SYSCALL_H_
