#include "base/features.h"

#include <array>
#include <cstdlib>

namespace retake {
namespace {

constexpr std::array kNames = {
    FeatureName{Feature::kUffd, "uffd"},
    FeatureName{Feature::kPagemapScan, "pagemap_scan"},
    FeatureName{Feature::kNotifyKillable, "notify_killable"},
    FeatureName{Feature::kNotifySync, "notify_sync"},
    FeatureName{Feature::kPidfdGetfd, "pidfd_getfd"},
    FeatureName{Feature::kUserns, "userns"},
    FeatureName{Feature::kTimestampTrap, "tsc"},
    FeatureName{Feature::kCpuid, "cpuid"},
    FeatureName{Feature::kPerf, "perf"},
    FeatureName{Feature::kReflink, "reflink"},
    FeatureName{Feature::kHardlink, "hardlink"},
    FeatureName{Feature::kMemfd, "memfd"},
    FeatureName{Feature::kProcessVm, "process_vm"},
    FeatureName{Feature::kSpecAllow, "spec_allow"},
    FeatureName{Feature::kTcpPeekOffset, "tcp_peek_off"},
};

struct Parsed {
  uint64_t off = 0;
  std::string_view unknown;
};

Parsed Parse(std::string_view list) {
  Parsed parsed;
  while (!list.empty()) {
    size_t comma = list.find(',');
    std::string_view name = list.substr(0, comma);
    list = comma == std::string_view::npos ? std::string_view{} : list.substr(comma + 1);
    if (name.empty()) continue;
    bool known = name == "all";
    if (known) parsed.off = ~uint64_t{0};
    for (const FeatureName& row : kNames) {
      if (row.name != name) continue;
      parsed.off |= uint64_t{1} << static_cast<int>(row.feature);
      known = true;
    }
    if (!known && parsed.unknown.empty()) parsed.unknown = name;
  }
  return parsed;
}

const Parsed& Environment() {
  static const Parsed parsed = [] {
    const char* list = getenv("RETAKE_WITHOUT");
    return Parse(list == nullptr ? "" : list);
  }();
  return parsed;
}

}  // namespace

std::span<const FeatureName> AllFeatures() { return kNames; }

bool MayUse(Feature feature) { return (Environment().off >> static_cast<int>(feature) & 1) == 0; }

std::string_view UnknownFeatureInEnvironment() { return Environment().unknown; }

}  // namespace retake
