// What this CPU is (Intel SDM volume 2A, CPUID): the features that decide what glibc, ld.so and
// ifuncs choose. The C library has asked the CPU for them, and the kernel for its name, before
// main: they aren't asked again, since on a virtual machine a cpuid is an exit, up to 15 us.
#include <fcntl.h>
#include <sys/platform/x86.h>
#include <unistd.h>

#include <algorithm>
#include <optional>

#include "arch/arch.h"
#include "base/fd.h"

namespace retake::machine {
namespace {

enum Output : uint8_t { kEax, kEbx, kEcx, kEdx };

struct FeatureBit {
  std::string_view name;
  uint32_t leaf;
  uint32_t subleaf;
  Output output;
  uint8_t bit;
  uint32_t xcr0;  // state components the kernel must have enabled for it to be usable
};

constexpr uint32_t kAvxState = 0x6;           // SSE, AVX
constexpr uint32_t kAvx512State = 0xe6;       // and opmask, ZMM_Hi256, Hi16_ZMM
constexpr uint32_t kAmxState = 0x60000;       // XTILECFG, XTILEDATA
constexpr uint32_t kApxState = 0x80000;       // extended GPRs
constexpr uint32_t kProtectionState = 0x200;  // PKRU

constexpr FeatureBit kFeatures[] = {
    {"sse3", 1, 0, kEcx, 0, 0},
    {"pclmulqdq", 1, 0, kEcx, 1, 0},
    {"ssse3", 1, 0, kEcx, 9, 0},
    {"fma", 1, 0, kEcx, 12, kAvxState},
    {"cmpxchg16b", 1, 0, kEcx, 13, 0},
    {"sse4_1", 1, 0, kEcx, 19, 0},
    {"sse4_2", 1, 0, kEcx, 20, 0},
    {"movbe", 1, 0, kEcx, 22, 0},
    {"popcnt", 1, 0, kEcx, 23, 0},
    {"aes", 1, 0, kEcx, 25, 0},
    {"xsave", 1, 0, kEcx, 26, 0},
    {"osxsave", 1, 0, kEcx, 27, 0},
    {"avx", 1, 0, kEcx, 28, kAvxState},
    {"f16c", 1, 0, kEcx, 29, kAvxState},
    {"rdrand", 1, 0, kEcx, 30, 0},
    {"fsgsbase", 7, 0, kEbx, 0, 0},
    {"bmi1", 7, 0, kEbx, 3, 0},
    {"hle", 7, 0, kEbx, 4, 0},
    {"avx2", 7, 0, kEbx, 5, kAvxState},
    {"bmi2", 7, 0, kEbx, 8, 0},
    {"erms", 7, 0, kEbx, 9, 0},
    {"rtm", 7, 0, kEbx, 11, 0},
    {"avx512f", 7, 0, kEbx, 16, kAvx512State},
    {"avx512dq", 7, 0, kEbx, 17, kAvx512State},
    {"rdseed", 7, 0, kEbx, 18, 0},
    {"adx", 7, 0, kEbx, 19, 0},
    {"avx512ifma", 7, 0, kEbx, 21, kAvx512State},
    {"clflushopt", 7, 0, kEbx, 23, 0},
    {"clwb", 7, 0, kEbx, 24, 0},
    {"avx512cd", 7, 0, kEbx, 28, kAvx512State},
    {"sha", 7, 0, kEbx, 29, 0},
    {"avx512bw", 7, 0, kEbx, 30, kAvx512State},
    {"avx512vl", 7, 0, kEbx, 31, kAvx512State},
    {"avx512vbmi", 7, 0, kEcx, 1, kAvx512State},
    {"pku", 7, 0, kEcx, 3, kProtectionState},
    {"ospke", 7, 0, kEcx, 4, kProtectionState},
    {"waitpkg", 7, 0, kEcx, 5, 0},
    {"avx512vbmi2", 7, 0, kEcx, 6, kAvx512State},
    {"shstk", 7, 0, kEcx, 7, 0},
    {"gfni", 7, 0, kEcx, 8, 0},
    {"vaes", 7, 0, kEcx, 9, kAvxState},
    {"vpclmulqdq", 7, 0, kEcx, 10, kAvxState},
    {"avx512vnni", 7, 0, kEcx, 11, kAvx512State},
    {"avx512bitalg", 7, 0, kEcx, 12, kAvx512State},
    {"avx512vpopcntdq", 7, 0, kEcx, 14, kAvx512State},
    {"rdpid", 7, 0, kEcx, 22, 0},
    {"cldemote", 7, 0, kEcx, 25, 0},
    {"movdiri", 7, 0, kEcx, 27, 0},
    {"movdir64b", 7, 0, kEcx, 28, 0},
    {"fsrm", 7, 0, kEdx, 4, 0},
    {"avx512vp2intersect", 7, 0, kEdx, 8, kAvx512State},
    {"serialize", 7, 0, kEdx, 14, 0},
    {"tsxldtrk", 7, 0, kEdx, 16, 0},
    {"ibt", 7, 0, kEdx, 20, 0},
    {"amx_bf16", 7, 0, kEdx, 22, kAmxState},
    {"avx512fp16", 7, 0, kEdx, 23, kAvx512State},
    {"amx_tile", 7, 0, kEdx, 24, kAmxState},
    {"amx_int8", 7, 0, kEdx, 25, kAmxState},
    {"avx_vnni", 7, 1, kEax, 4, kAvxState},
    {"avx512bf16", 7, 1, kEax, 5, kAvx512State},
    {"fzrm", 7, 1, kEax, 10, 0},
    {"fsrs", 7, 1, kEax, 11, 0},
    {"fsrc", 7, 1, kEax, 12, 0},
    {"amx_fp16", 7, 1, kEax, 21, kAmxState},
    {"avx_ifma", 7, 1, kEax, 23, kAvxState},
    {"avx_vnni_int8", 7, 1, kEdx, 4, kAvxState},
    {"avx_ne_convert", 7, 1, kEdx, 5, kAvxState},
    {"avx10", 7, 1, kEdx, 19, kAvx512State},
    {"apx_f", 7, 1, kEdx, 21, kApxState},
    {"xsaveopt", 0xd, 1, kEax, 0, 0},
    {"xsavec", 0xd, 1, kEax, 1, 0},
    {"xgetbv_ecx_1", 0xd, 1, kEax, 2, 0},
    {"xsaves", 0xd, 1, kEax, 3, 0},
    {"xfd", 0xd, 1, kEax, 4, 0},
    {"lahf", 0x80000001, 0, kEcx, 0, 0},
    {"lzcnt", 0x80000001, 0, kEcx, 5, 0},
    {"sse4a", 0x80000001, 0, kEcx, 6, 0},
    {"prefetchw", 0x80000001, 0, kEcx, 8, 0},
    {"xop", 0x80000001, 0, kEcx, 11, kAvxState},
    {"fma4", 0x80000001, 0, kEcx, 16, kAvxState},
    {"tbm", 0x80000001, 0, kEcx, 21, 0},
    {"rdtscp", 0x80000001, 0, kEdx, 27, 0},
    {"clzero", 0x80000008, 0, kEbx, 0, 0},
};

// Where the C library keeps what a leaf said: zeros if this CPU has no such leaf.
constexpr std::optional<unsigned> IndexOf(const FeatureBit& feature) {
  switch (feature.leaf) {
    case 1:
      return CPUID_INDEX_1;
    case 7:
      return feature.subleaf == 0 ? CPUID_INDEX_7 : CPUID_INDEX_7_ECX_1;
    case 0xd:
      return CPUID_INDEX_D_ECX_1;
    case 0x80000001:
      return CPUID_INDEX_80000001;
    case 0x80000008:
      return CPUID_INDEX_80000008;
    default:
      return std::nullopt;
  }
}

static_assert(std::ranges::all_of(kFeatures, [](const FeatureBit& f) { return !!IndexOf(f); }));

bool IsThere(const FeatureBit& feature) {
  const cpuid_feature* leaf = __x86_get_cpuid_feature_leaf(*IndexOf(feature));
  return (leaf->cpuid_array[feature.output] >> feature.bit & 1) != 0;
}

uint32_t Xcr0() {
  if (!CPU_FEATURE_PRESENT(OSXSAVE)) return 0;
  uint32_t low, high;
  asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return low;
}

}  // namespace

uint64_t ReadTimestamp() {
  uint32_t low, high;
  asm volatile("rdtsc" : "=a"(low), "=d"(high));
  return static_cast<uint64_t>(high) << 32 | low;
}

uint64_t ReadTimestamp(const TrappedInstruction&) { return ReadTimestamp(); }

CpuidResult ReadCpuid(uint32_t leaf, uint32_t subleaf) {
  CpuidResult result;
  asm volatile("cpuid"
               : "=a"(result.eax), "=b"(result.ebx), "=c"(result.ecx), "=d"(result.edx)
               : "a"(leaf), "c"(subleaf));
  return result;
}

std::vector<CpuFeature> CpuFeatures() {
  uint32_t xcr0 = Xcr0();
  std::vector<CpuFeature> features;
  for (const FeatureBit& feature : kFeatures) {
    bool usable = (xcr0 & feature.xcr0) == feature.xcr0;
    features.push_back({feature.name, usable && IsThere(feature)});
  }
  return features;
}

std::string CpuModel() {
  constexpr std::string_view kName = "model name\t: ";
  // Of the first CPU, whose lines begin the file.
  char start[512];
  Fd file(open("/proc/cpuinfo", O_RDONLY | O_CLOEXEC));
  ssize_t got = file ? read(file.get(), start, sizeof start) : 0;
  std::string_view text(start, got > 0 ? static_cast<size_t>(got) : 0);
  size_t at = text.find(kName);
  if (at == text.npos) return "x86_64";
  text.remove_prefix(at + kName.size());
  return std::string(text.substr(0, text.find('\n')));
}

}  // namespace retake::machine
