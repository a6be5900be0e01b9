// What the descriptions of all architectures share: the lookup by archive byte, and the mapping
// between Sys and the numbers of each architecture, both ways, from the columns of
// arch/syscall_numbers.inc.
#include <array>

#include "arch/arch.h"

namespace retake {
namespace {

// Both tables are far above the highest number (469 in Linux 6.18): a number outside has no row.
constexpr int kNumbers = 1024;

struct NumberTable {
  std::array<int16_t, kSysCount> of_sys;
  std::array<Sys, kNumbers> of_number;
};

constexpr NumberTable MakeTable(const std::array<int16_t, kSysCount>& numbers) {
  NumberTable table{};
  table.of_number.fill(Sys::kNone);
  for (int i = 0; i < kSysCount; ++i) {
    table.of_sys[i] = numbers[i];
    if (numbers[i] >= 0) table.of_number[numbers[i]] = static_cast<Sys>(i);
  }
  return table;
}

constexpr NumberTable kX86_64 = MakeTable({
#define RETAKE_SYSCALL(name, x86_64, aarch64) x86_64,
#include "arch/syscall_numbers.inc"
#undef RETAKE_SYSCALL
});
constexpr NumberTable kAarch64 = MakeTable({
#define RETAKE_SYSCALL(name, x86_64, aarch64) aarch64,
#include "arch/syscall_numbers.inc"
#undef RETAKE_SYSCALL
});

const NumberTable& TableOf(ArchId id) { return id == ArchId::kX86_64 ? kX86_64 : kAarch64; }

}  // namespace

int ArchDescription::NumberOf(Sys sys) const {
  auto index = static_cast<size_t>(sys);
  return index < kSysCount ? TableOf(id).of_sys[index] : -1;
}

Sys ArchDescription::SysOf(int64_t number) const {
  if (number < 0 || number >= kNumbers) return Sys::kNone;
  return TableOf(id).of_number[number];
}

const ArchDescription* DescriptionOf(ArchId id) {
  switch (id) {
    case ArchId::kX86_64:
      return &X86_64Description();
    case ArchId::kAarch64:
      return &Aarch64Description();
  }
  return nullptr;  // a byte read from an archive
}

}  // namespace retake
