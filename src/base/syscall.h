// The syscalls that glibc 2.36 has no wrapper for, as retake itself makes them. The one place
// outside arch/ and the table that names raw syscall numbers.
#ifndef RETAKE_BASE_SYSCALL_H_
#define RETAKE_BASE_SYSCALL_H_

#include <signal.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

namespace retake {

inline int Tgkill(pid_t tgid, pid_t tid, int signal) {
  return static_cast<int>(syscall(SYS_tgkill, tgid, tid, signal));
}

}  // namespace retake

#endif  // RETAKE_BASE_SYSCALL_H_
