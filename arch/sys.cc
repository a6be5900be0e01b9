// Names of syscalls, from the one list that also gives their numbers.
#include "arch/sys.h"

#include <algorithm>
#include <array>
#include <utility>

namespace retake {
namespace {

constexpr std::string_view kNames[] = {
#define RETAKE_SYSCALL(name, x86_64, aarch64) #name,
#include "arch/syscall_numbers.inc"
#undef RETAKE_SYSCALL
};
static_assert(std::size(kNames) == kSysCount);

using NamedSys = std::pair<std::string_view, Sys>;

const std::array<NamedSys, kSysCount>& ByName() {
  static const std::array<NamedSys, kSysCount> sorted = [] {
    std::array<NamedSys, kSysCount> all;
    for (int i = 0; i < kSysCount; ++i) all[i] = {kNames[i], static_cast<Sys>(i)};
    std::sort(all.begin(), all.end());
    return all;
  }();
  return sorted;
}

}  // namespace

std::string_view SysName(Sys sys) {
  auto index = static_cast<size_t>(sys);
  return index < std::size(kNames) ? kNames[index] : "?";
}

Sys SysByName(std::string_view name) {
  const auto& all = ByName();
  auto found = std::lower_bound(
      all.begin(), all.end(), name,
      [](const NamedSys& entry, std::string_view wanted) { return entry.first < wanted; });
  return found != all.end() && found->first == name ? found->second : Sys::kNone;
}

}  // namespace retake
