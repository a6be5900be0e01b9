// The instructions that read the virtual counter or its frequency, and those that take their places
// to trap: udf, whose 16 bits nothing reads but we.
#ifndef RETAKE_ARCH_AARCH64_COUNTER_READS_H_
#define RETAKE_ARCH_AARCH64_COUNTER_READS_H_

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>

namespace retake::aarch64 {

// mrs Xt, SYSREG: Xt is the lowest five bits.
inline constexpr uint32_t kTargetMask = 0x1f;
inline constexpr uint32_t kMrsCntfrq = 0xd53be000;    // CNTFRQ_EL0
inline constexpr uint32_t kMrsCntvct = 0xd53be040;    // CNTVCT_EL0
inline constexpr uint32_t kMrsCntvctss = 0xd53be0c0;  // CNTVCTSS_EL0
inline constexpr uint32_t kCounterReads[] = {kMrsCntfrq, kMrsCntvct, kMrsCntvctss};

// udf #imm16 is imm16. In ours the index into kCounterReads stands above the target.
inline constexpr uint32_t kTrap = 0x5e00;
inline constexpr int kTrapIndexShift = 5;

// What takes the place of a counter read; nullopt for any other instruction.
inline std::optional<uint32_t> TrapFor(uint32_t insn) {
  for (size_t i = 0; i < std::size(kCounterReads); ++i) {
    if ((insn & ~kTargetMask) == kCounterReads[i])
      return kTrap | static_cast<uint32_t>(i) << kTrapIndexShift | (insn & kTargetMask);
  }
  return std::nullopt;
}

// The counter read that such a udf stands for; any other instruction itself.
inline uint32_t StandsFor(uint32_t insn) {
  uint32_t index = (insn ^ kTrap) >> kTrapIndexShift;
  return index < std::size(kCounterReads) ? kCounterReads[index] | (insn & kTargetMask) : insn;
}

}  // namespace retake::aarch64

#endif  // RETAKE_ARCH_AARCH64_COUNTER_READS_H_
