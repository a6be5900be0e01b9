// Stack walks on aarch64. DWARF numbers: "DWARF for the Arm 64-bit Architecture", section 4.1:
// x0..x30, then sp; libunwind numbers the pc behind them.
//
// A return address on the stack may be signed in its upper bits (pointer authentication), with keys
// that a stack walk doesn't know; the bits above a user address's 48 are dropped.
#include <array>

#include "arch/aarch64/layout.h"
#include "arch/unwind.h"

namespace retake::machine {
namespace {

using namespace retake::aarch64;

constexpr auto kWordOf = [] {
  std::array<int8_t, kPc + 1> words{};
  for (int number = 0; number <= kPc; ++number) words[number] = static_cast<int8_t>(number);
  return words;
}();
static_assert(kSp == 31 && kPc == 32, "the kernel's order of registers is libunwind's too");
constexpr int kFramePointerNumber = 29;

// mov x8, #139; svc #0 (arch/arm64/kernel/vdso/sigreturn.S).
constexpr std::string_view kSignalReturn("\x68\x11\x80\xd2\x01\x00\x00\xd4", 8);

}  // namespace

const UnwindAbi& Unwinding() {
  static constexpr UnwindAbi kAbi = {.words = kWordOf,
                                     .frame_pointer = kFramePointerNumber,
                                     .link = kX30,
                                     .record_ends_frame = false,
                                     .code_mask = (uint64_t{1} << 48) - 1,
                                     .signal_return = kSignalReturn};
  return kAbi;
}

}  // namespace retake::machine
