// What the dynamic loader's save of the vector state leaves in memory, with and without the
// patches.
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <array>
#include <cstring>
#include <fstream>

#include "arch/arch.h"

// A save and restore of the loader's shape, with a copy of what was saved in place of the lookup.
// rdi: where to copy it to, rcx: how many bytes of it. Changes no other state.
asm(R"(
  .pushsection .text
  .globl loader_shape_begin, loader_shape_end
loader_shape_begin:
  push %rbx
  mov %rsp, %rbx
  and $-64, %rsp
  sub $0x1000, %rsp
  mov $0xee, %eax
  xor %edx, %edx
  mov %rdx, 0x250(%rsp)
  mov %rdx, 0x258(%rsp)
  mov %rdx, 0x260(%rsp)
  mov %rdx, 0x268(%rsp)
  mov %rdx, 0x270(%rsp)
  mov %rdx, 0x278(%rsp)
  xsavec 0x40(%rsp)
  lea 0x40(%rsp), %rsi
  rep movsb
  mov $0xee, %eax
  xor %edx, %edx
  xrstor 0x40(%rsp)
  mov %rbx, %rsp
  pop %rbx
  ret
loader_shape_end:
  .popsection
)");
extern "C" const uint8_t loader_shape_begin[], loader_shape_end[];

namespace retake::machine {
namespace {

constexpr size_t kPage = 4096;
constexpr size_t kSaved = 576;  // the legacy area and the header

class Shape {
 public:
  explicit Shape(bool patched) {
    page_ = static_cast<uint8_t*>(mmap(nullptr, kPage, PROT_READ | PROT_WRITE | PROT_EXEC,
                                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    memcpy(page_, loader_shape_begin, static_cast<size_t>(loader_shape_end - loader_shape_begin));
    if (!patched) return;
    patches_ = LoaderPatches(ByteSpan(page_, kPage));
    for (const Patch& patch : patches_)
      memcpy(page_ + patch.offset, patch.bytes.data(), patch.bytes.size());
  }
  ~Shape() { munmap(page_, kPage); }

  size_t patches() const { return patches_.size(); }

  // What is saved of a state whose SSE component is all zeros, either in its initial configuration
  // or written by an instruction. The stack holds `garbage`.
  std::array<uint8_t, kSaved> Run(bool written, uint8_t garbage) const {
    alignas(64) std::array<uint8_t, 4096> initial{};
    constexpr uint32_t kMxcsr = 0x1f80;
    memcpy(initial.data() + 24, &kMxcsr, sizeof kMxcsr);
    initial[512] = written ? 2 : 0;
    std::array<uint8_t, kSaved> saved{};
    asm volatile(
        // Garbage where the area will be.
        "lea -0x2200(%%rsp), %%rdi\n mov $0x2000, %%ecx\n movzbl %b[garbage], %%eax\n rep stosb\n"
        "mov $0xee, %%eax\n xor %%edx, %%edx\n xrstor (%[initial])\n"
        "mov %[to], %%rdi\n mov %[size], %%rcx\n"
        "sub $0x80, %%rsp\n call *%[code]\n add $0x80, %%rsp\n"
        :
        : [initial] "r"(initial.data()), [to] "r"(saved.data()), [size] "r"(kSaved),
          [code] "r"(page_), [garbage] "r"(garbage)
        : "memory", "cc", "rax", "rcx", "rdx", "rsi", "rdi", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4",
          "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14",
          "xmm15");
    return saved;
  }

  // What a vector register holds behind it that held `value` before.
  uint64_t Through(uint64_t value) const {
    std::array<uint8_t, kSaved> saved{};
    asm volatile(
        "movq %[value], %%xmm7\n mov %[to], %%rdi\n mov %[size], %%rcx\n"
        "sub $0x80, %%rsp\n call *%[code]\n add $0x80, %%rsp\n movq %%xmm7, %[value]\n"
        : [value] "+r"(value)
        : [to] "r"(saved.data()), [size] "r"(kSaved), [code] "r"(page_)
        : "memory", "cc", "rax", "rcx", "rdx", "rsi", "rdi", "xmm7");
    return value;
  }

 private:
  uint8_t* page_;
  std::vector<Patch> patches_;
};

bool HasXsavec() { return __builtin_cpu_supports("xsavec"); }

TEST(LoaderPatches, SavedBytesDependOnTheRegistersOnly) {
  if (!HasXsavec()) return;  // then no loader uses it
  Shape patched(true);
  ASSERT_EQ(patched.patches(), 2U);
  auto expected = patched.Run(false, 0);
  for (int round = 0; round < 1000; ++round) {
    ASSERT_EQ(patched.Run(true, 0), expected);
    ASSERT_EQ(patched.Run(false, 0x55), expected);
    ASSERT_EQ(patched.Run(true, 0xaa), expected);
  }
  // That is what the patches are for.
  Shape plain(false);
  EXPECT_NE(plain.Run(false, 0x55), plain.Run(false, 0xaa));
}

TEST(LoaderPatches, StateSurvives) {
  if (!HasXsavec()) return;
  EXPECT_EQ(Shape(true).Through(0x1234'5678'9abc'def0), 0x1234'5678'9abc'def0U);
}

TEST(LoaderPatches, OfThisMachinesLoader) {
  std::ifstream file("/lib64/ld-linux-x86-64.so.2", std::ios::binary);
  if (!file) return;  // a machine without glibc
  std::vector<char> bytes((std::istreambuf_iterator<char>(file)), {});
  // The whole file in place of its executable mapping: code is found wherever it stands.
  bytes.resize((bytes.size() / kPage + 1) * kPage);
  std::vector<Patch> patches =
      LoaderPatches(ByteSpan(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()));
  ASSERT_GE(patches.size(), 2U);
  for (size_t i = 1; i < patches.size(); i += 2) {
    EXPECT_EQ(static_cast<uint8_t>(bytes[patches[i].offset]), 0x0f);
    EXPECT_EQ(static_cast<uint8_t>(bytes[patches[i].offset + 1]), 0xc7);
  }
}

TEST(LoaderPatches, NoneWithoutRoomOrSave) {
  std::vector<uint8_t> code(kPage, 0x90);
  EXPECT_TRUE(LoaderPatches(code).empty());
  size_t size = static_cast<size_t>(loader_shape_end - loader_shape_begin);
  memcpy(code.data(), loader_shape_begin, size);
  EXPECT_TRUE(LoaderPatches(code).empty());
  EXPECT_TRUE(LoaderPatches(ByteSpan(code).first(size)).empty());
  for (size_t cut = 0; cut < size; ++cut) (void)LoaderPatches(ByteSpan(code).first(cut));
  EXPECT_TRUE(LoaderPatches({}).empty());
}

}  // namespace
}  // namespace retake::machine
