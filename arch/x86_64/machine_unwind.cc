// Stack walks on x86_64. DWARF numbers: System V psABI, AMD64 supplement, figure 3.36; libunwind
// uses the same, and 16, the return address column, for the pc.
#include "arch/unwind.h"
#include "arch/x86_64/layout.h"

namespace retake::machine {
namespace {

using namespace retake::x86_64;

constexpr int8_t kWordOf[] = {kRax, kRdx, kRcx, kRbx, kRsi, kRdi, kRbp, kRsp, kR8,
                              kR9,  kR10, kR11, kR12, kR13, kR14, kR15, kRip};
constexpr int kFramePointerNumber = 6;

// mov $15, %rax; syscall: this very encoding is what debuggers go by, so every libc keeps to it.
constexpr std::string_view kSignalReturn("\x48\xc7\xc0\x0f\x00\x00\x00\x0f\x05", 9);

}  // namespace

const UnwindAbi& Unwinding() {
  static constexpr UnwindAbi kAbi = {.words = kWordOf,
                                     .frame_pointer = kFramePointerNumber,
                                     .link = -1,
                                     .record_ends_frame = true,
                                     .code_mask = ~uint64_t{0},
                                     .signal_return = kSignalReturn};
  return kAbi;
}

}  // namespace retake::machine
