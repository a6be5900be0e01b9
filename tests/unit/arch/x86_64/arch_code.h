// Machine code and register names of x86_64 that the tests shared by all architectures need.
#ifndef RETAKE_TESTS_UNIT_ARCH_X86_64_ARCH_CODE_H_
#define RETAKE_TESTS_UNIT_ARCH_X86_64_ARCH_CODE_H_

#include <ucontext.h>

#include <cstdint>
#include <vector>

namespace retake {

// int F() { return 42; }
inline std::vector<uint8_t> CodeReturning42() { return {0xb8, 42, 0, 0, 0, 0xc3}; }
// uint64_t F(uint64_t n) counts n down to 0 in a loop of its own: 1: dec %rdi; jnz 1b; mov %rdi,
// %rax; ret.
inline std::vector<uint8_t> CodeCountingDown() {
  return {0x48, 0xff, 0xcf, 0x75, 0xfb, 0x48, 0x89, 0xf8, 0xc3};
}
// Fills what no function uses.
inline std::vector<uint8_t> CodeFiller() { return {0xcc}; }
// Bytes that a replaced function needs at the least.
inline constexpr uint64_t kLeastPatchBytes = 8;

inline uint64_t PcOf(const ucontext_t& context) { return context.uc_mcontext.gregs[REG_RIP]; }
inline int64_t ResultOf(const ucontext_t& context) { return context.uc_mcontext.gregs[REG_RAX]; }

// Goes to `entry` with the registers of a call; never comes back.
[[noreturn]] inline void JumpWithCall(uint64_t entry, uint64_t number, uint64_t a0, uint64_t a1) {
  asm volatile("jmp *%0" ::"r"(entry), "a"(number), "D"(a0), "S"(a1) : "memory");
  __builtin_unreachable();
}

// What spin-waits are made of.
inline void Pause() { asm volatile("pause"); }
// Stores 512 bytes, some of which no operand tells. `block` is aligned to 16.
inline void WriteUnknownExtent(void* block) {
  asm volatile("fxsave %0" : "=m"(*static_cast<uint8_t(*)[512]>(block)));
}
inline void StoreFlags() { asm volatile("pushf\n\tadd $8, %%rsp" ::: "cc", "memory"); }
// Adds one in one instruction: no register sees the value.
inline void IncrementMemory(volatile uint64_t* word) { asm volatile("lock incq %0" : "+m"(*word)); }
inline void KeepInVectorRegister(double& value) { asm volatile("" : "+x"(value)); }
template <typename Pair>
void KeepPairInVectorRegister(Pair& value) {
  asm volatile("" : "+x"(value));
}
// Sets a vector register, and computes for ever with it set.
[[noreturn]] inline void HoldVectorRegisters() {
  asm volatile("pcmpeqd %%xmm3, %%xmm3\n1: jmp 1b" ::: "xmm3");
  __builtin_unreachable();
}
// By one repeated instruction.
inline void FillMemory(void* memory, uint64_t size, uint8_t byte) {
  asm volatile("rep stosb" : "+D"(memory), "+c"(size) : "a"(byte) : "memory");
}

}  // namespace retake

#endif  // RETAKE_TESTS_UNIT_ARCH_X86_64_ARCH_CODE_H_
