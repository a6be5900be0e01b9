// What this CPU is. The kernel lets a program read the ID registers (it emulates the access and
// hides what it doesn't support: Documentation/arch/arm64/cpu-feature-registers.rst), so they say
// what glibc's ifuncs see; no syscall and no file is needed.
#include <fmt/format.h>

#include "arch/arch.h"

namespace retake::machine {
namespace {

enum IdRegister : uint8_t { kIsar0, kIsar1, kIsar2, kPfr0, kPfr1, kMmfr2, kIdRegisters };

// A field of four bits; the feature is there from `least` on. kUnsigned: 15 is more than any.
// kSigned: 15 means absent (FP and AdvSIMD).
struct FeatureField {
  std::string_view name;
  IdRegister id;
  uint8_t shift;
  uint8_t least;
  bool is_signed = false;
};

constexpr FeatureField kFeatures[] = {
    {"fp", kPfr0, 16, 0, true},   {"asimd", kPfr0, 20, 0, true},
    {"fphp", kPfr0, 16, 1, true}, {"asimdhp", kPfr0, 20, 1, true},
    {"sve", kPfr0, 32, 1},        {"dit", kPfr0, 48, 1},
    {"bti", kPfr1, 0, 1},         {"ssbs", kPfr1, 4, 1},
    {"mte", kPfr1, 8, 1},         {"mte2", kPfr1, 8, 2},
    {"sme", kPfr1, 24, 1},        {"aes", kIsar0, 4, 1},
    {"pmull", kIsar0, 4, 2},      {"sha1", kIsar0, 8, 1},
    {"sha2", kIsar0, 12, 1},      {"sha512", kIsar0, 12, 2},
    {"crc32", kIsar0, 16, 1},     {"atomics", kIsar0, 20, 2},
    {"asimdrdm", kIsar0, 28, 1},  {"sha3", kIsar0, 32, 1},
    {"sm3", kIsar0, 36, 1},       {"sm4", kIsar0, 40, 1},
    {"asimddp", kIsar0, 44, 1},   {"asimdfhm", kIsar0, 48, 1},
    {"flagm", kIsar0, 52, 1},     {"flagm2", kIsar0, 52, 2},
    {"rng", kIsar0, 60, 1},       {"dcpop", kIsar1, 0, 1},
    {"paca", kIsar1, 4, 1},       {"paca_impdef", kIsar1, 8, 1},
    {"jscvt", kIsar1, 12, 1},     {"fcma", kIsar1, 16, 1},
    {"lrcpc", kIsar1, 20, 1},     {"ilrcpc", kIsar1, 20, 2},
    {"pacg", kIsar1, 24, 1},      {"pacg_impdef", kIsar1, 28, 1},
    {"frint", kIsar1, 32, 1},     {"sb", kIsar1, 36, 1},
    {"bf16", kIsar1, 44, 1},      {"dgh", kIsar1, 48, 1},
    {"i8mm", kIsar1, 52, 1},      {"wfxt", kIsar2, 0, 2},
    {"paca3", kIsar2, 12, 1},     {"mops", kIsar2, 16, 1},
    {"uscat", kMmfr2, 32, 1},
};

struct IdValues {
  uint64_t words[kIdRegisters];
};

// By encoding, so that any assembler takes them.
IdValues ReadIds() {
  IdValues ids;
  asm("mrs %0, S3_0_C0_C6_0" : "=r"(ids.words[kIsar0]));  // ID_AA64ISAR0_EL1
  asm("mrs %0, S3_0_C0_C6_1" : "=r"(ids.words[kIsar1]));  // ID_AA64ISAR1_EL1
  asm("mrs %0, S3_0_C0_C6_2" : "=r"(ids.words[kIsar2]));  // ID_AA64ISAR2_EL1
  asm("mrs %0, S3_0_C0_C4_0" : "=r"(ids.words[kPfr0]));   // ID_AA64PFR0_EL1
  asm("mrs %0, S3_0_C0_C4_1" : "=r"(ids.words[kPfr1]));   // ID_AA64PFR1_EL1
  asm("mrs %0, S3_0_C0_C7_2" : "=r"(ids.words[kMmfr2]));  // ID_AA64MMFR2_EL1
  return ids;
}

bool Has(const IdValues& ids, const FeatureField& feature) {
  uint64_t field = ids.words[feature.id] >> feature.shift & 0xf;
  if (feature.is_signed && field == 0xf) return false;
  return field >= feature.least;
}

// Implementer and part number of MIDR_EL1, as <asm/cputype.h> lists them.
struct Part {
  uint8_t implementer;
  uint16_t part;
  std::string_view name;
};

constexpr Part kParts[] = {
    {0x41, 0xd03, "Cortex-A53"},    {0x41, 0xd05, "Cortex-A55"},  {0x41, 0xd07, "Cortex-A57"},
    {0x41, 0xd08, "Cortex-A72"},    {0x41, 0xd09, "Cortex-A73"},  {0x41, 0xd0b, "Cortex-A76"},
    {0x41, 0xd0c, "Neoverse-N1"},   {0x41, 0xd40, "Neoverse-V1"}, {0x41, 0xd49, "Neoverse-N2"},
    {0x41, 0xd4f, "Neoverse-V2"},   {0x41, 0xd84, "Neoverse-V3"}, {0x41, 0xd8e, "Neoverse-N3"},
    {0x46, 0x001, "Fujitsu A64FX"}, {0xc0, 0xac3, "Ampere-1"},    {0xc0, 0xac4, "Ampere-1a"},
};

}  // namespace

uint64_t ReadTimestamp() {
  uint64_t value;
  asm volatile("isb\n\tmrs %0, cntvct_el0" : "=r"(value));
  return value;
}

uint64_t ReadTimestamp(const TrappedInstruction& insn) {
  if (!insn.frequency) return ReadTimestamp();
  uint64_t value;
  asm volatile("mrs %0, cntfrq_el0" : "=r"(value));
  return value;
}

std::vector<CpuFeature> CpuFeatures() {
  IdValues ids = ReadIds();
  std::vector<CpuFeature> features;
  for (const FeatureField& feature : kFeatures) {
    features.push_back({feature.name, Has(ids, feature)});
  }
  return features;
}

std::string CpuModel() {
  uint64_t midr;
  asm("mrs %0, S3_0_C0_C0_0" : "=r"(midr));  // MIDR_EL1
  auto implementer = static_cast<uint8_t>(midr >> 24);
  auto part = static_cast<uint16_t>(midr >> 4 & 0xfff);
  int variant = static_cast<int>(midr >> 20 & 0xf);
  int revision = static_cast<int>(midr & 0xf);
  for (const Part& known : kParts) {
    if (known.implementer == implementer && known.part == part) {
      return fmt::format("{} r{}p{}", known.name, variant, revision);
    }
  }
  return fmt::format("aarch64 implementer {:#x} part {:#x} r{}p{}", implementer, part, variant,
                     revision);
}

}  // namespace retake::machine
