// The syscall convention of x86_64: number and result in rax, arguments in rdi, rsi, rdx, r10, r8,
// r9; rcx and r11 are clobbered.
#include "arch/raw_syscall.h"

namespace retake {

int64_t RawSyscall(int64_t number, const SyscallArgs& args) {
  int64_t result;
  register uint64_t r10 asm("r10") = args.a[3];
  register uint64_t r8 asm("r8") = args.a[4];
  register uint64_t r9 asm("r9") = args.a[5];
  asm volatile("syscall"
               : "=a"(result)
               : "a"(number), "D"(args.a[0]), "S"(args.a[1]), "d"(args.a[2]), "r"(r10), "r"(r8),
                 "r"(r9)
               : "rcx", "r11", "memory", "cc");
  return result;
}

}  // namespace retake
