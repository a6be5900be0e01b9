#include "snapshot/landlock.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/syscall.h"
#include "tracee/ptrace.h"

namespace retake {
namespace {

// LANDLOCK_CREATE_RULESET_VERSION of <linux/landlock.h>.
constexpr unsigned kAskVersion = 1;

bool KernelHasLandlock() {
  static const bool has = LandlockCreateRuleset(nullptr, 0, kAskVersion) > 0;
  return has;
}

// In the helper, which only waits to be killed.
[[noreturn]] void BeHelper(uint32_t user, uint32_t group, uint64_t capabilities, int ready) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  bool done = setresgid(group, group, group) == 0 && setresuid(user, user, user) == 0;
  struct {
    __user_cap_header_struct header;
    __user_cap_data_struct data[2];
  } all{};
  all.header.version = _LINUX_CAPABILITY_VERSION_3;
  done = done && Capget(&all.header, all.data) == 0;
  for (unsigned half = 0; half < 2; ++half) {
    all.data[half].permitted &= static_cast<uint32_t>(capabilities >> (half * 32));
    all.data[half].effective = all.data[half].permitted;
    all.data[half].inheritable = 0;
  }
  done = done && Capset(&all.header, all.data) == 0 && prctl(PR_SET_DUMPABLE, 1) == 0;
  if (!done || write(ready, "r", 1) != 1) _exit(1);
  for (;;) pause();
}

// Whether the task may look at a process: at what any tracer could see of it.
Result<bool> MayLookAt(pid_t pid, Injection& injection) {
  uint64_t room = injection.Room(2 * sizeof(uint64_t));
  size_t call = injection.Add(
      MakeCall(Sys::get_robust_list, static_cast<uint64_t>(pid), room, room + sizeof(uint64_t)));
  TRY(injection.Run());
  return !CallFailed(injection.result(call));
}

}  // namespace

LandlockProbe::~LandlockProbe() {
  for (const auto& [rights, helper] : helpers_) {
    if (helper > 0) ptracer::KillAndReap(helper);
  }
}

pid_t LandlockProbe::HelperWith(const Rights& rights) {
  auto known = helpers_.find(rights);
  if (known != helpers_.end()) return known->second;
  pid_t& helper = helpers_[rights];
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return 0;
  Fd ready(ends[0]), told(ends[1]);
  pid_t child = fork();
  if (child < 0) return 0;
  if (child == 0)
    BeHelper(std::get<0>(rights), std::get<1>(rights), std::get<2>(rights), told.get());
  told.Reset();
  char byte = 0;
  if (read(ready.get(), &byte, 1) == 1) return helper = child;
  ptracer::KillAndReap(child);
  return 0;
}

Status LandlockProbe::Ask(pid_t tid, const Credentials& credentials, Injection& injection,
                          Losses& losses) {
  // Mostly it may look at this very process.
  if (!KernelHasLandlock() || TRY(MayLookAt(getpid(), injection))) return {};
  pid_t helper =
      HelperWith({credentials.uids.at(0), credentials.gids.at(0), credentials.permitted});
  if (helper > 0 && TRY(MayLookAt(helper, injection))) return {};
  losses.push_back({.pid = tid,
                    .kind = "landlock",
                    .what = "it may be confined by Landlock, which isn't kept: it would go on less "
                            "confined than it was",
                    .nature = LossNature::kPossible});
  return {};
}

}  // namespace retake
