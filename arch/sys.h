// Sys: one name for each syscall of either architecture, up to Linux 6.18. Numbers per architecture
// are columns of arch/syscall_numbers.inc; what each call does is a row of syscalls/table.
#ifndef RETAKE_ARCH_SYS_H_
#define RETAKE_ARCH_SYS_H_

#include <cstdint>
#include <string_view>

namespace retake {

enum class Sys : uint16_t {
#define RETAKE_SYSCALL(name, x86_64, aarch64) name,
#include "arch/syscall_numbers.inc"
#undef RETAKE_SYSCALL
  kNone,  // a number without a row
};

inline constexpr int kSysCount = static_cast<int>(Sys::kNone);

// "openat"; "?" for kNone.
std::string_view SysName(Sys sys);
// Sys::kNone for an unknown name.
Sys SysByName(std::string_view name);

}  // namespace retake

#endif  // RETAKE_ARCH_SYS_H_
