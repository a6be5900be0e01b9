// The layouts of aarch64's vector regset: NT_PRFPREG (struct user_fpsimd_state), or NT_ARM_SVE,
// whose header says whether 32 registers of 16 bytes follow or the longer ones with predicates.
// Source: Linux arch/arm64/include/uapi/asm/ptrace.h, SVE_PT_*.
#ifndef RETAKE_ARCH_AARCH64_VECTOR_LAYOUT_H_
#define RETAKE_ARCH_AARCH64_VECTOR_LAYOUT_H_

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "base/bytes.h"

namespace retake::aarch64 {

inline constexpr size_t kVectors = 32;
inline constexpr size_t kVectorBytes = 16;
inline constexpr size_t kPredicates = 16;
// sizeof(struct user_fpsimd_state); NT_ARM_SVE is always another size.
inline constexpr size_t kFpsimdBytes = 528;

// struct user_sve_header
struct SveHeader {
  uint32_t size, max_size;
  uint16_t vector_bytes, max_vector_bytes, flags, reserved;
};
inline constexpr uint16_t kSveLayout = 1;  // SVE_PT_REGS_SVE
inline constexpr size_t kSveRegisters = sizeof(SveHeader);

inline bool IsSveRegset(ByteSpan state) {
  return state.size() > sizeof(SveHeader) && state.size() != kFpsimdBytes;
}
inline SveHeader SveHeaderOf(ByteSpan state) {
  SveHeader header;
  memcpy(&header, state.data(), sizeof header);
  return header;
}

// Offsets of the long layout.
struct SveLayout {
  explicit SveLayout(size_t vector_bytes)
      : predicates(kSveRegisters + kVectors * vector_bytes),
        // The predicates and FFR, an eighth of a vector each; then rounded up to 16.
        fpsr((predicates + (kPredicates + 1) * vector_bytes / 8 + 15) & ~size_t{15}) {}
  size_t predicates;
  size_t fpsr;  // fpcr follows
};

// Where the low half of vector register `index` is.
inline size_t VectorOffset(ByteSpan state, size_t index) {
  if (!IsSveRegset(state)) return index * kVectorBytes;
  SveHeader header = SveHeaderOf(state);
  size_t stride = (header.flags & kSveLayout) != 0 ? header.vector_bytes : kVectorBytes;
  return kSveRegisters + index * stride;
}

}  // namespace retake::aarch64

#endif  // RETAKE_ARCH_AARCH64_VECTOR_LAYOUT_H_
