// Kernel constants newer than the oldest headers retake is built with, or of headers that can't be
// included, each with its source. The one place for them.
#ifndef RETAKE_BASE_KERNEL_CONSTANTS_H_
#define RETAKE_BASE_KERNEL_CONSTANTS_H_

#include <sched.h>
#include <sys/prctl.h>

// include/uapi/linux/sched.h, Linux 5.5: the child's handled signals go back to default.
#ifndef CLONE_CLEAR_SIGHAND
#define CLONE_CLEAR_SIGHAND 0x100000000ULL
#endif

// include/uapi/linux/prctl.h, Linux 6.3: what is writable never becomes executable.
#ifndef PR_SET_MDWE
#define PR_SET_MDWE 65
#define PR_GET_MDWE 66
#endif

// include/uapi/linux/ioprio.h, Linux 2.6.13. In some versions (Debian's 6.1.192) it isn't C++: a
// parameter is named "class".
inline constexpr int kIoprioWhoProcess = 1;

#endif  // RETAKE_BASE_KERNEL_CONSTANTS_H_
