// The byte that takes the place of an instruction's escape byte (0f) to make it trap; see
// machine_trap_sites.cc.
#ifndef RETAKE_ARCH_X86_64_TRAP_OPCODE_H_
#define RETAKE_ARCH_X86_64_TRAP_OPCODE_H_

#include <cstdint>

namespace retake::x86_64 {

inline constexpr uint8_t kEscape = 0x0f;
inline constexpr uint8_t kTrapEscape = 0x0e;

// Whether `second` and `third`, behind an escape, make an instruction that is made to trap.
inline bool IsTrapping(uint8_t second, uint8_t third) {
  return second == 0x31 || second == 0xa2 || (second == 0x01 && third == 0xf9);
}

}  // namespace retake::x86_64

#endif  // RETAKE_ARCH_X86_64_TRAP_OPCODE_H_
