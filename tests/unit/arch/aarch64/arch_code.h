// Machine code and register names of aarch64 that the tests shared by all architectures need.
#ifndef RETAKE_TESTS_UNIT_ARCH_AARCH64_ARCH_CODE_H_
#define RETAKE_TESTS_UNIT_ARCH_AARCH64_ARCH_CODE_H_

#include <asm/hwcap.h>
#include <sys/auxv.h>
#include <ucontext.h>

#include <cstdint>
#include <vector>

namespace retake {

// int F() { return 42; }
inline std::vector<uint8_t> CodeReturning42() {
  return {0x40, 0x05, 0x80, 0x52, 0xc0, 0x03, 0x5f, 0xd6};
}
// uint64_t F(uint64_t n) counts n down to 0 in a loop of its own: 1: subs x0, x0, #1; b.ne 1b; ret.
inline std::vector<uint8_t> CodeCountingDown() {
  return {0x00, 0x04, 0x00, 0xf1, 0xe1, 0xff, 0xff, 0x54, 0xc0, 0x03, 0x5f, 0xd6};
}
// Fills what no function uses: udf #0.
inline std::vector<uint8_t> CodeFiller() { return {0, 0, 0, 0}; }
// Bytes that a replaced function needs at the least: a branch.
inline constexpr uint64_t kLeastPatchBytes = 4;

inline uint64_t PcOf(const ucontext_t& context) { return context.uc_mcontext.pc; }
inline int64_t ResultOf(const ucontext_t& context) {
  return static_cast<int64_t>(context.uc_mcontext.regs[0]);
}

// Goes to `entry` with the registers of a call; never comes back.
[[noreturn]] inline void JumpWithCall(uint64_t entry, uint64_t number, uint64_t a0, uint64_t a1) {
  register uint64_t x8 asm("x8") = number;
  register uint64_t x0 asm("x0") = a0;
  register uint64_t x1 asm("x1") = a1;
  asm volatile("br %0" ::"r"(entry), "r"(x8), "r"(x0), "r"(x1) : "memory");
  __builtin_unreachable();
}

// What spin-waits are made of.
inline void Pause() { asm volatile("yield"); }
// Stores zeros to a block whose size only the CPU knows (64 bytes and more). `block` is aligned to
// 128.
inline void WriteUnknownExtent(void* block) { asm volatile("dc zva, %0" ::"r"(block) : "memory"); }
inline void StoreFlags() {
  uint64_t flags;
  asm volatile("mrs %0, nzcv\n\tstr %0, [sp, #-16]!\n\tadd sp, sp, #16" : "=r"(flags)::"memory");
}
// Adds one; the register that sees the value is cleared.
inline void IncrementMemory(volatile uint64_t* word) {
  uint64_t value;
  asm volatile("ldr %0, %1\n\tadd %0, %0, #1\n\tstr %0, %1\n\tmov %0, #0"
               : "=&r"(value), "+m"(*word));
}
inline void KeepInVectorRegister(double& value) { asm volatile("" : "+w"(value)); }
template <typename Pair>
void KeepPairInVectorRegister(Pair& value) {
  asm volatile("" : "+w"(value));
}
// Sets a vector register and a predicate, as long as they are, and computes for ever with them set.
[[noreturn]] inline void HoldVectorRegisters() {
  if ((getauxval(AT_HWCAP) & HWCAP_SVE) != 0) {
    asm volatile(".arch_extension sve\n\tptrue p1.b\n\tindex z3.d, #1, #1\n1: b 1b" ::: "v3");
  }
  asm volatile("movi v3.16b, #1\n1: b 1b" ::: "v3");
  __builtin_unreachable();
}
// There are no repeated instructions here.
inline void FillMemory(void* memory, uint64_t size, uint8_t byte) {
  for (uint64_t i = 0; i < size; ++i) static_cast<volatile uint8_t*>(memory)[i] = byte;
}

}  // namespace retake

#endif  // RETAKE_TESTS_UNIT_ARCH_AARCH64_ARCH_CODE_H_
