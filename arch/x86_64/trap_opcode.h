// The byte that takes the place of an instruction's escape byte (0f) to make it trap; see
// machine_trap_sites.cc.
#ifndef RETAKE_ARCH_X86_64_TRAP_OPCODE_H_
#define RETAKE_ARCH_X86_64_TRAP_OPCODE_H_

#include <cstdint>

#include "arch/arch.h"

namespace retake::x86_64 {

inline constexpr uint8_t kEscape = 0x0f;
inline constexpr uint8_t kTrapEscape = 0x0e;

// Of the instruction whose bytes behind the escape these are; the third counts for rdtscp only.
inline TrapKind TrapKindOf(uint8_t second, uint8_t third) {
  switch (second) {
    case 0x31:
      return TrapKind::kTimestamp;
    case 0xa2:
      return TrapKind::kCpuid;
    case 0x01:
      return third == 0xf9 ? TrapKind::kTimestampAndCpu : TrapKind::kNone;
    default:
      return TrapKind::kNone;
  }
}

}  // namespace retake::x86_64

#endif  // RETAKE_ARCH_X86_64_TRAP_OPCODE_H_
