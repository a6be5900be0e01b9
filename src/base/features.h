// Which optional kernel features may be used. Every use of a newer kernel feature asks here first,
// and then probes: RETAKE_WITHOUT=uffd,pagemap_scan,... turns features off as if the kernel lacked
// them, so that each fallback can be tested on one machine. RETAKE_WITHOUT=all turns all of them
// off.
#ifndef RETAKE_BASE_FEATURES_H_
#define RETAKE_BASE_FEATURES_H_

#include <cstdint>
#include <span>
#include <string_view>

namespace retake {

enum class Feature : uint8_t {
  kUffd,            // userfaultfd write-protect tracking
  kPagemapScan,     // PAGEMAP_SCAN ioctl (6.7)
  kNotifyKillable,  // SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (5.19)
  kNotifySync,      // SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP (6.6)
  kPidfdGetfd,      // pidfd_getfd (5.6; refused in some containers)
  kUserns,          // unprivileged user namespaces
  kTimestampTrap,   // PR_SET_TSC
  kCpuid,           // CPUID faulting
  kPerf,            // perf_event_open breakpoint counting
  kReflink,         // FICLONE / copy_file_range between files
  kHardlink,        // hard links from the cache to a trace
  kMemfd,           // memfd_create
  kProcessVm,       // process_vm_readv/writev (else /proc/PID/mem)
  kSpecAllow,       // SECCOMP_FILTER_FLAG_SPEC_ALLOW
  kTcpPeekOffset,   // SO_PEEK_OFF for TCP (6.9)
};

struct FeatureName {
  Feature feature;
  std::string_view name;  // as in RETAKE_WITHOUT
};

// All features, in the order of the enum.
std::span<const FeatureName> AllFeatures();

// False if RETAKE_WITHOUT names the feature (read once, at the first call).
bool MayUse(Feature feature);

// A name in RETAKE_WITHOUT that is no feature, or empty if all are known: a typing error there must
// not pass silently.
std::string_view UnknownFeatureInEnvironment();

}  // namespace retake

#endif  // RETAKE_BASE_FEATURES_H_
