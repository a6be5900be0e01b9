// A syscall exactly as the kernel answers it: no errno, no libc between, so that a result is the
// kernel's own and a call that libc hasn't heard of can be made. For the few places of retake that
// need that, and for tests; made by the host's own convention.
#ifndef RETAKE_ARCH_RAW_SYSCALL_H_
#define RETAKE_ARCH_RAW_SYSCALL_H_

#include <cstdint>

namespace retake {

// The kernel's MAX_ERRNO (include/linux/err.h): results -4095 .. -1 are errors, all else is a value
// (an address may be "negative").
inline constexpr int64_t kMaxErrno = 4095;

constexpr bool IsSyscallError(int64_t result) { return result < 0 && result >= -kMaxErrno; }

struct SyscallArgs {
  uint64_t a[6] = {};
};

// `number` is this architecture's. The result is the value or the negated errno.
int64_t RawSyscall(int64_t number, const SyscallArgs& args = {});

}  // namespace retake

#endif  // RETAKE_ARCH_RAW_SYSCALL_H_
