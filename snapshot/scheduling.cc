#include "snapshot/scheduling.h"

#include "base/kernel_constants.h"
#include "base/syscall.h"

namespace retake {
namespace {

// Enough for every kernel there is: CONFIG_NR_CPUS is 8,192 at most.
constexpr size_t kMaxCpus = 8192;

// struct sched_attr of <linux/sched/types.h>, which can't be included beside <sched.h>: its first
// version, Linux 3.14.
struct SchedAttributes {
  uint32_t size, policy;
  uint64_t flags;
  int32_t nice;
  uint32_t priority;
  uint64_t runtime, deadline, period;
};
static_assert(sizeof(SchedAttributes) == 48);

std::vector<uint8_t> ReadAffinity(pid_t tid) {
  std::vector<uint8_t> mask(kMaxCpus / 8);
  int size = SchedGetaffinity(tid, mask.size(), mask.data());
  mask.resize(size > 0 ? static_cast<size_t>(size) : 0);
  return mask;
}

}  // namespace

Result<Scheduling> ReadScheduling(pid_t tid) {
  Scheduling out;
  SchedAttributes attributes{};
  if (SchedGetattr(tid, &attributes, sizeof attributes) != 0) {
    int code = errno;
    return Error(code, "how it is scheduled can't be read", tid);
  }
  out.policy = attributes.policy;
  out.flags = attributes.flags;
  out.nice = attributes.nice;
  out.priority = attributes.priority;
  out.runtime = attributes.runtime;
  out.deadline = attributes.deadline;
  out.period = attributes.period;
  out.affinity = ReadAffinity(tid);
  out.io_priority = IoprioGet(kIoprioWhoProcess, tid);
  return out;
}

Status ApplyScheduling(pid_t tid, const Scheduling& wanted) {
  auto failed = [&](const char* what) {
    int code = errno;
    return Error(code, fmt::format("can't set its {}", what), tid);
  };
  Scheduling present = TRY(ReadScheduling(tid));
  if (wanted.affinity != present.affinity && !wanted.affinity.empty()) {
    // Fails only if none of these CPUs exists.
    (void)SchedSetaffinity(tid, wanted.affinity.size(), wanted.affinity.data());
  }
  bool same = wanted.policy == present.policy && wanted.flags == present.flags &&
              wanted.nice == present.nice && wanted.priority == present.priority &&
              // Of the ordinary policies: a slice of its own, from Linux 6.12 on.
              (wanted.runtime == present.runtime || wanted.runtime == 0);
  if (!same) {
    SchedAttributes attributes{.size = sizeof attributes,
                               .policy = wanted.policy,
                               .flags = wanted.flags,
                               .nice = wanted.nice,
                               .priority = wanted.priority,
                               .runtime = wanted.runtime,
                               .deadline = wanted.deadline,
                               .period = wanted.period};
    if (SchedSetattr(tid, &attributes) != 0) return failed("scheduling policy");
  }
  if (wanted.io_priority != present.io_priority && wanted.io_priority > 0 &&
      IoprioSet(kIoprioWhoProcess, tid, wanted.io_priority) != 0)
    return failed("I/O priority");
  return {};
}

}  // namespace retake
