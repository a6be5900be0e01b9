// The register words of x86_64, in the order of struct user_regs_struct (<sys/user.h>), which is
// what NT_PRSTATUS holds: 27 words, 216 bytes.
//
// What a reader of the rest should know of this architecture. A syscall takes its number in rax and
// returns in rax, so the kernel keeps the number in orig_rax; at a syscall-entry stop rax reads
// -ENOSYS. The syscall instruction itself puts the return address into rcx and the flags into r11,
// where the program can see them. An interrupted call stops with the kernel's own error (-512 ..
// -516) in rax, and is rewound only when the task goes on: whoever changes registers there must set
// orig_rax to -1 first, or the kernel "restarts" a call that isn't there.
#ifndef RETAKE_ARCH_X86_64_LAYOUT_H_
#define RETAKE_ARCH_X86_64_LAYOUT_H_

#include <cstdint>

namespace retake::x86_64 {

enum Word : uint8_t {
  kR15,
  kR14,
  kR13,
  kR12,
  kRbp,
  kRbx,
  kR11,
  kR10,
  kR9,
  kR8,
  kRax,
  kRcx,
  kRdx,
  kRsi,
  kRdi,
  kOrigRax,
  kRip,
  kCs,
  kEflags,
  kRsp,
  kSs,
  kFsBase,
  kGsBase,
  kDs,
  kEs,
  kFs,
  kGs,
  kWords,
};

}  // namespace retake::x86_64

#endif  // RETAKE_ARCH_X86_64_LAYOUT_H_
