// What a stack walk must know of the architecture. Part of the machine half: libunwind is built for
// the host's traces.
#ifndef RETAKE_ARCH_UNWIND_H_
#define RETAKE_ARCH_UNWIND_H_

#include <cstdint>
#include <span>
#include <string_view>

namespace retake::machine {

struct UnwindAbi {
  // The word of Registers that libunwind knows by each number (UNW_<ISA>_* of <libunwind.h>: the
  // DWARF numbers of the psABI, then the pc); -1 for one that isn't there.
  std::span<const int8_t> words;
  // libunwind's number of the frame pointer. Where code keeps one, it points at two words on both
  // architectures: the caller's frame pointer, and the return address.
  int frame_pointer;
  // libunwind's number of the register that holds the return address at a function's first
  // instruction, or -1 where the stack pointer points at it.
  int link;
  // Whether those two words end the callee's frame, so that the caller's stack pointer is behind
  // them. Else they lie anywhere in it, and a walk by frame pointers learns no stack pointer.
  bool record_ends_frame;
  // Bits of a code address that are address; the others may hold a signature (aarch64's PAC).
  uint64_t code_mask;
  // The code that a signal handler returns to: libc's on x86_64, the vDSO's on aarch64.
  std::string_view signal_return;
};

const UnwindAbi& Unwinding();

}  // namespace retake::machine

#endif  // RETAKE_ARCH_UNWIND_H_
