// What guests need of the aarch64 instruction set: the sources of nondeterminism that are
// instructions, and enough to start a program and make calls without any library. Where aarch64 has
// no equivalent (vsyscall page, tiles, foreign ABI from 64-bit code) the function says so with -1
// or ENOSYS, and the guest prints that.
#ifndef RETAKE_TESTS_GUESTS_ARCH_GUEST_ARCH_H_
#define RETAKE_TESTS_GUESTS_ARCH_GUEST_ARCH_H_

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define GUEST_ARCH_NAME "aarch64"

inline uint64_t ReadCounter() {
  uint64_t value;
  asm volatile("mrs %0, cntvct_el0" : "=r"(value));
  return value;
}

inline uint64_t ReadCounterAndCpu(uint32_t* cpu) {
  *cpu = 0;  // no instruction tells
  return ReadCounter();
}

// Functions in bytes: mov x0, #7; ret, and mrs x0, cntvct_el0; ret.
inline constexpr uint8_t kReturnSeven[] = {0xe0, 0x00, 0x80, 0xd2, 0xc0, 0x03, 0x5f, 0xd6};
inline constexpr uint8_t kReturnCounter[] = {0x40, 0xe0, 0x3b, 0xd5, 0xc0, 0x03, 0x5f, 0xd6};

// Loads a word from its argument, counts down from a million, and returns the word: ldr x0, [x0];
// movz x1, #0x4240; movk x1, #0xf, lsl #16; 1: subs x1, x1, #1; b.ne 1b; ret.
inline constexpr uint8_t kLoadAndCount[] = {0x00, 0x00, 0x40, 0xf9, 0x01, 0x48, 0x88, 0xd2,
                                            0xe1, 0x01, 0xa0, 0xf2, 0x21, 0x04, 0x00, 0xf1,
                                            0xe1, 0xff, 0xff, 0x54, 0xc0, 0x03, 0x5f, 0xd6};

inline void IdentifyCpu(uint32_t leaf, uint32_t out[4]) {
  uint64_t features;  // the kernel emulates reads of the feature registers
  asm volatile("mrs %0, ID_AA64ISAR0_EL1" : "=r"(features));
  out[0] = static_cast<uint32_t>(features);
  out[1] = static_cast<uint32_t>(features >> 32);
  out[2] = leaf;
  out[3] = 0;
}

inline long VsyscallTime() { return -1; }
inline int VsyscallGettimeofday(void*) { return -1; }
inline int VsyscallGetcpu(unsigned*) { return -1; }

// SVE's registers, which hold a sum while a load faults and the handler makes the page readable.
inline long UseWideTiles() {
  if ((getauxval(AT_HWCAP) & HWCAP_SVE) == 0) return -1;
  static void* page = mmap(nullptr, 1 << 16, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  mprotect(page, 1 << 16, PROT_NONE);
  struct sigaction action = {}, old;
  action.sa_handler = [](int) { mprotect(page, 1 << 16, PROT_READ); };
  sigaction(SIGSEGV, &action, &old);
  long sum, loaded;
  asm volatile(
      ".arch_extension sve\n"
      "ptrue p3.d\n"
      "index z9.d, #1, #3\n"
      "ldr %1, [%2]\n"
      "uaddv d9, p3, z9.d\n"
      "fmov %0, d9\n"
      : "=r"(sum), "=&r"(loaded)
      : "r"(page)
      : "memory", "v9");
  sigaction(SIGSEGV, &old, nullptr);
  return sum + loaded;
}

// In a regset of NT_PRSTATUS: how many words, and which is the stack pointer (<asm/ptrace.h>).
constexpr size_t kRegisterWords = 34, kStackPointerWord = 31;
// No ptrace request of this architecture's own reads them.
constexpr int kReadRegisters = 0;

// A pointer as the CPU signs it (itself where it can't).
inline void* SignPointer(void* pointer) {
  register void* x17 asm("x17") = pointer;
  register uint64_t x16 asm("x16") = 42;
  asm volatile("hint #8" : "+r"(x17) : "r"(x16));  // pacia1716
  return x17;
}
inline void* AuthenticatePointer(void* pointer) {
  register void* x17 asm("x17") = pointer;
  register uint64_t x16 asm("x16") = 42;
  asm volatile("hint #12" : "+r"(x17) : "r"(x16));  // autia1716
  return x17;
}

// Vector registers across system calls: the kernel keeps the low 128 bits of each, so that they may
// be live there. True if nothing was lost in 20 yields.
inline bool HoldsWideRegisters(long seed) {
  alignas(16) long in[2] = {seed * 1000003, seed * 7919}, out[2] = {}, upper[2] = {};
  asm volatile(
      "ldr q1, [%[in]]\n"
      "ldr q29, [%[in]]\n"
      "mov w9, #20\n"
      "1:\n"
      "mov x8, %[yield]\n"
      "svc #0\n"
      "subs w9, w9, #1\n"
      "b.ne 1b\n"
      "str q1, [%[out]]\n"
      "str q29, [%[upper]]\n"
      :
      : [in] "r"(in), [out] "r"(out), [upper] "r"(upper), [yield] "i"(SYS_sched_yield)
      : "x0", "x8", "x9", "v1", "v29", "cc", "memory");
  return in[0] == out[0] && in[1] == out[1] && in[0] == upper[0] && in[1] == upper[1];
}

#define GUEST_ENTRY          \
  asm(".globl _start\n"      \
      "_start:\n"            \
      "  mov x29, #0\n"      \
      "  mov x30, #0\n"      \
      "  mov x0, sp\n"       \
      "  and sp, x0, #-16\n" \
      "  bl GuestMain\n"     \
      "  brk #0\n");

inline long RawCall(long number, long a = 0, long b = 0, long c = 0, long d = 0, long e = 0,
                    long f = 0) {
  register long x8 asm("x8") = number;
  register long x0 asm("x0") = a;
  register long x1 asm("x1") = b;
  register long x2 asm("x2") = c;
  register long x3 asm("x3") = d;
  register long x4 asm("x4") = e;
  register long x5 asm("x5") = f;
  asm volatile("svc #0"
               : "+r"(x0)
               : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
               : "memory");
  return x0;
}

// 64-bit code has no way into the 32-bit ABI: a child executes a program of
// it, which ends with (a byte of) its pid.
inline long ForeignGetpid() {
  static const uint32_t program[] = {
      // ELF header: 32 bits, ARM, entry behind the headers; one program header.
      0x464c457f, 0x00010101, 0, 0, 0x00280002, 1, 0x10000 + 84, 52, 0, 0x05000200, 0x00200034,
      0x00280001, 0,
      // PT_LOAD of all of it at 0x10000, to be read and executed.
      1, 0, 0x10000, 0x10000, 84 + 16, 84 + 16, 5, 0x10000,
      // mov r7, #20 (getpid); svc 0; mov r7, #1 (exit); svc 0
      0xe3a07014, 0xef000000, 0xe3a07001, 0xef000000};
  int fd = memfd_create("foreign", 0);
  if (fd < 0 || write(fd, program, sizeof program) != sizeof program) return -1;
  char name[] = "foreign";
  char* arguments[] = {name, nullptr};
  pid_t child = fork();
  if (child == 0) {
    fexecve(fd, arguments, environ);
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WEXITSTATUS(status);
}

// What a loop that waits says to the CPU.
inline void Relax() { asm volatile("yield"); }

inline void TrapInstruction() { asm volatile("brk #0"); }
inline void IllegalInstruction() { asm volatile("udf #0"); }

#endif  // RETAKE_TESTS_GUESTS_ARCH_GUEST_ARCH_H_
