// The register words of aarch64: NT_PRSTATUS (struct user_pt_regs: x0..x30, sp, pc, pstate; 34
// words, 272 bytes), then NT_ARM_TLS (tpidr and, since SME, tpidr2) and NT_ARM_SYSTEM_CALL (the
// syscall number, 32 bits).
//
// What a reader of the rest should know of this architecture. A syscall takes its number in x8 and
// its arguments in x0..x5, and returns in x0, so a result overwrites the first argument; the number
// in force is a regset of its own. The exit stop of an interrupted call shows an internal error
// (-512 .. -516) in x0; at the stop of the signal that interrupted it the kernel has rewound it: pc
// is at the svc, x0 is the argument again, the number is -1. In syscall stops made by
// PTRACE_SYSCALL and PTRACE_SYSEMU, x7 reads 0 (entry) or 1 (exit) and can't be written
// (arch/arm64/kernel/ptrace.c, report_syscall); in those of seccomp it is itself. So x7 compares
// only outside of syscalls.
#ifndef RETAKE_ARCH_AARCH64_LAYOUT_H_
#define RETAKE_ARCH_AARCH64_LAYOUT_H_

#include <cstdint>

namespace retake::aarch64 {

enum Word : uint8_t {
  kX0 = 0,
  kX7 = 7,
  kX8 = 8,
  kX19 = 19,
  kX20 = 20,
  kX21 = 21,
  kX30 = 30,
  kSp = 31,
  kPc = 32,
  kPstate = 33,
  kTpidr = 34,
  kTpidr2 = 35,
  kSyscallNumber = 36,
  kWords = 37,
};

}  // namespace retake::aarch64

#endif  // RETAKE_ARCH_AARCH64_LAYOUT_H_
