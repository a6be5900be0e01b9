// What guests need of the x86_64 instruction set: the sources of nondeterminism that are
// instructions, and enough to start a program and make calls without any library.
#ifndef RETAKE_TESTS_GUESTS_ARCH_GUEST_ARCH_H_
#define RETAKE_TESTS_GUESTS_ARCH_GUEST_ARCH_H_

#include <cpuid.h>
#include <errno.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <x86intrin.h>

#define GUEST_ARCH_NAME "x86_64"

inline uint64_t ReadCounter() { return __rdtsc(); }

// The counter together with what else the instruction tells (the CPU number).
inline uint64_t ReadCounterAndCpu(uint32_t* cpu) {
  unsigned aux = 0;
  uint64_t value = __rdtscp(&aux);
  *cpu = aux;
  return value;
}

// Functions in bytes, for a program to put together: one returns 7, one the counter.
inline constexpr uint8_t kReturnSeven[] = {0xb8, 7, 0, 0, 0, 0xc3};  // mov $7, %eax; ret
// rdtsc; shl $32, %rdx; or %rdx, %rax; ret
inline constexpr uint8_t kReturnCounter[] = {0x0f, 0x31, 0x48, 0xc1, 0xe2,
                                             0x20, 0x48, 0x09, 0xd0, 0xc3};

// Loads a word from its argument, counts down from a million, and returns the word: mov (%rdi),
// %rax; mov $1000000, %ecx; 1: dec %ecx; jnz 1b; ret.
inline constexpr uint8_t kLoadAndCount[] = {0x48, 0x8b, 0x07, 0xb9, 0x40, 0x42, 0x0f,
                                            0,    0xff, 0xc9, 0x75, 0xfc, 0xc3};

// Identification of the CPU, as far as a program can ask without a call.
inline void IdentifyCpu(uint32_t leaf, uint32_t out[4]) {
  __cpuid_count(leaf, 0, out[0], out[1], out[2], out[3]);
}

// In a regset of NT_PRSTATUS: how many words, and which is the stack pointer (<asm/ptrace.h>).
constexpr size_t kRegisterWords = 27, kStackPointerWord = 19;
// The ptrace request of this architecture's own that reads them (<asm/ptrace-abi.h>).
constexpr int kReadRegisters = 12;

// A pointer as the CPU signs it: here none does.
inline void* SignPointer(void* pointer) { return pointer; }
inline void* AuthenticatePointer(void* pointer) { return pointer; }

// The legacy vsyscall page, which only seccomp sees. -1 where the kernel doesn't map it.
inline long VsyscallTime() {
  auto* time_entry = reinterpret_cast<long (*)(long*)>(0xffffffffff600400);
  return time_entry(nullptr);
}
inline int VsyscallGettimeofday(void* timeval) {
  auto* entry = reinterpret_cast<int (*)(void*, void*)>(0xffffffffff600000);
  return entry(timeval, nullptr);
}
inline int VsyscallGetcpu(unsigned* cpu) {
  auto* entry = reinterpret_cast<int (*)(unsigned*, unsigned*, void*)>(0xffffffffff600800);
  return entry(cpu, nullptr, nullptr);
}

// Asks for AMX tiles and uses one; -1 where the CPU or kernel has none, else a sum computed in
// tiles.
__attribute__((target("amx-tile,amx-int8"))) inline long UseWideTiles() {
  constexpr int kRequestPermission = 0x1023;  // ARCH_REQ_XCOMP_PERM
  constexpr int kTileData = 18;               // XFEATURE_XTILEDATA
  if (syscall(SYS_arch_prctl, kRequestPermission, kTileData) != 0) return -1;
  struct alignas(64) Config {
    uint8_t palette = 1, start_row = 0, reserved[14] = {};
    uint16_t columns[16] = {64, 64, 64};
    uint8_t rows[16] = {16, 16, 16};
  } config;
  alignas(64) int8_t left[16][64], right[16][64];
  alignas(64) int32_t out[16][16] = {};
  for (int i = 0; i < 16; ++i) {
    for (int j = 0; j < 64; ++j) {
      left[i][j] = static_cast<int8_t>(i + j);
      right[i][j] = static_cast<int8_t>(i - j);
    }
  }
  _tile_loadconfig(&config);
  _tile_zero(0);
  _tile_loadd(1, left, 64);
  _tile_loadd(2, right, 64);
  getppid();  // tiles must live across a stop
  _tile_dpbssd(0, 1, 2);
  _tile_stored(0, out, 64);
  _tile_release();
  long sum = 0;
  for (auto& row : out) {
    for (int value : row) sum = sum * 31 + value;
  }
  return sum < 0 ? -sum : sum;
}

// Vector registers across system calls: the kernel keeps them, so that they may be live there.
constexpr long kWideWords = 8;  // 64-bit words of the widest register
inline long WideValue(long seed, long index) { return seed * 1000003 + index * 7919; }
__attribute__((target("avx512f"))) inline long HoldWidest(long seed) {
  alignas(64) long in[kWideWords], out[kWideWords] = {}, upper[kWideWords] = {};
  for (long i = 0; i < kWideWords; ++i) in[i] = WideValue(seed, i);
  asm volatile(
      "vmovdqa64 (%[in]), %%zmm1\n"
      "vmovdqa64 (%[in]), %%zmm29\n"
      "mov $7, %%eax\n"
      "kmovw %%eax, %%k3\n"
      "mov $20, %%ebx\n"
      "1:\n"
      "mov %[yield], %%eax\n"
      "syscall\n"
      "dec %%ebx\n"
      "jnz 1b\n"
      "vmovdqa64 %%zmm1, (%[out])\n"
      "vmovdqa64 %%zmm29, (%[upper])%{%%k3%}\n"
      :
      : [in] "r"(in), [out] "r"(out), [upper] "r"(upper), [yield] "i"(SYS_sched_yield)
      : "rax", "rbx", "rcx", "r11", "xmm1", "xmm29", "k3", "memory");
  long sum = 0;
  for (long i = 0; i < kWideWords; ++i) sum = sum * 31 + out[i] + upper[i];
  return sum;
}
__attribute__((target("avx"))) inline long HoldWide(long seed) {
  alignas(32) long in[4], out[4] = {};
  for (long i = 0; i < 4; ++i) in[i] = WideValue(seed, i);
  asm volatile(
      "vmovdqa (%[in]), %%ymm1\n"
      "mov $20, %%ebx\n"
      "1:\n"
      "mov %[yield], %%eax\n"
      "syscall\n"
      "dec %%ebx\n"
      "jnz 1b\n"
      "vmovdqa %%ymm1, (%[out])\n"
      :
      : [in] "r"(in), [out] "r"(out), [yield] "i"(SYS_sched_yield)
      : "rax", "rbx", "rcx", "r11", "xmm1", "memory");
  long sum = 0;
  for (long value : out) sum = sum * 31 + value;
  return sum;
}
// Holds what the CPU has across 20 yields; true if nothing was lost.
inline bool HoldsWideRegisters(long seed) {
  long sum = 0;
  if (__builtin_cpu_supports("avx512f")) {
    for (long i = 0; i < kWideWords; ++i) sum = sum * 31 + WideValue(seed, i) * (i < 3 ? 2 : 1);
    return HoldWidest(seed) == sum;
  }
  if (!__builtin_cpu_supports("avx")) return true;
  for (long i = 0; i < 4; ++i) sum = sum * 31 + WideValue(seed, i);
  return HoldWide(seed) == sum;
}

// A program's first instruction, where there is no C library: calls GuestMain(stack).
#define GUEST_ENTRY        \
  asm(".globl _start\n"    \
      "_start:\n"          \
      "  xor %ebp, %ebp\n" \
      "  mov %rsp, %rdi\n" \
      "  and $-16, %rsp\n" \
      "  call GuestMain\n" \
      "  hlt\n");

inline long RawCall(long number, long a = 0, long b = 0, long c = 0, long d = 0, long e = 0,
                    long f = 0) {
  long result;
  register long r10 asm("r10") = d;
  register long r8 asm("r8") = e;
  register long r9 asm("r9") = f;
  asm volatile("syscall"
               : "=a"(result)
               : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
               : "rcx", "r11", "memory");
  return result;
}

// A call by another ABI of the same kernel (int 0x80: getpid is 20 there).
inline long ForeignGetpid() {
  long result;
  asm volatile("int $0x80" : "=a"(result) : "a"(20) : "memory", "r8", "r9", "r10", "r11");
  return result;
}

// What a loop that waits says to the CPU.
inline void Relax() { __builtin_ia32_pause(); }

// A debug trap raised by an instruction, and an instruction that doesn't exist.
inline void TrapInstruction() { asm volatile("int3"); }
inline void IllegalInstruction() { asm volatile("ud2"); }

#endif  // RETAKE_TESTS_GUESTS_ARCH_GUEST_ARCH_H_
