// The syscall convention of aarch64: number in x8, arguments in x0 .. x5, result in x0; nothing is
// clobbered.
#include "arch/raw_syscall.h"

namespace retake {

int64_t RawSyscall(int64_t number, const SyscallArgs& args) {
  register int64_t x8 asm("x8") = number;
  register uint64_t x0 asm("x0") = args.a[0];
  register uint64_t x1 asm("x1") = args.a[1];
  register uint64_t x2 asm("x2") = args.a[2];
  register uint64_t x3 asm("x3") = args.a[3];
  register uint64_t x4 asm("x4") = args.a[4];
  register uint64_t x5 asm("x5") = args.a[5];
  asm volatile("svc #0"
               : "+r"(x0)
               : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
               : "memory", "cc");
  return static_cast<int64_t>(x0);
}

}  // namespace retake
