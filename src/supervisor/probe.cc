// The table of probes, and how one is run. What each does is in probe_trials.cc.
#include "supervisor/probe.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>

#include "arch/arch.h"
#include "base/fd.h"
#include "base/features.h"
#include "supervisor/probe_trials.h"

namespace retake {
namespace {

// A probe takes a few milliseconds; a machine may be busy.
constexpr int kProbeMilliseconds = 5000;

struct Row {
  std::string_view name;
  std::string_view feature;
  bool essential;
  Trial (*run)(const ProbePlaces& places);
  std::string_view use;
  std::string_view instead;
  std::string_view remedy;
  // A file whose content explains a refusal; may be empty.
  std::string_view explained_by;
};

constexpr Row kRows[] = {
    {"not traced by another", "", true, TryNotTraced, "a program can have one tracer only", "",
     "don't run retake under strace, gdb or another retake", ""},
    {"ptrace attach", "", true, TryAttach, "stopping the program at its system calls", "",
     "in a container: `--cap-add SYS_PTRACE`, or a seccomp profile that allows ptrace",
     "/proc/sys/kernel/yama/ptrace_scope"},
    {"ptrace emulation", "", true, TryEmulation, "replaying without making any call", "",
     "needs Linux 5.3 or later", ""},
    {"yama ptrace_scope", "", true, TryYama, "whether one's own processes may be traced", "",
     "sysctl kernel.yama.ptrace_scope=1, or 0", "/proc/sys/kernel/yama/ptrace_scope"},
    {"seccomp filter", "", true, TryFilter, "choosing which system calls stop", "",
     "needs CONFIG_SECCOMP_FILTER; in a container, a profile that allows seccomp", ""},
    {"seccomp notification", "", false, TryNotification,
     "answering calls without stopping the program", "stops answer them, at three times the cost",
     "don't run under another supervisor that holds the notification", ""},
    {"killable notification", "notify_killable", false, TryNotifyKillable,
     "a signal doesn't cancel a call being answered", "the call is answered again after a signal",
     "needs Linux 5.19 or later", ""},
    {"notification wake-up", "notify_sync", false, TryNotifySync,
     "answering on the same CPU, five times faster", "the slower wake-up",
     "needs Linux 6.6 or later", ""},
    {"filter without slowdown", "spec_allow", false, TrySpecAllow,
     "keeping the CPU's speculation as it was", "the kernel's default for filtered processes", "",
     ""},
    {"stub page", "", true, TryStubPage, "a fixed page for retake's own calls in the program", "",
     "lower vm.mmap_min_addr, raise the address-space limit (ulimit -v)",
     "/proc/sys/vm/mmap_min_addr"},
    {"process_vm_readv", "process_vm", false, TryProcessVm, "reading the program's memory",
     "/proc/PID/mem, one call per piece", "a seccomp profile that allows process_vm_readv", ""},
    {"pidfd_getfd", "pidfd_getfd", false, TryPidfdGetfd, "looking at the program's open files",
     "/proc/PID/fd", "in a container: `--cap-add SYS_PTRACE`", ""},
    {"peeking into TCP", "tcp_peek_off", false, TryTcpPeekOffset,
     "keeping what waits in a connection, piece by piece", "all of it at once",
     "needs Linux 6.9 or later", ""},
    {"time-stamp trap", "tsc", false, TryTimestampTrap, "recording reads of the time-stamp counter",
     "traps are put into the code of programs and libraries, and into what is made at run time "
     "when it is first executed; what is missed diverges, which replay then reports",
     "on aarch64: Linux 6.12 or later; elsewhere, a hypervisor that passes the trap on", ""},
    {"CPUID faulting", "cpuid", false, TryCpuidTrap,
     "record --portable, and hiding the CPU's random generator",
     "traps are put into the code of programs and libraries, and into what is made at run time "
     "when it is first executed; what is missed sees the CPU as it is",
     "a newer CPU, or a hypervisor that passes it on", ""},
    {"memfd that executes", "memfd", false, TryMemfd, "starting a replay without a file",
     "a temporary file", "sysctl vm.memfd_noexec=0", "/proc/sys/vm/memfd_noexec"},
    {"userfaultfd", "uffd", false, TryUserfaultfd, "noticing which pages were written",
     "hashes of all pages are compared", "sysctl vm.unprivileged_userfaultfd=1; Linux 6.7 or later",
     "/proc/sys/vm/unprivileged_userfaultfd"},
    {"PAGEMAP_SCAN", "pagemap_scan", false, TryPagemapScan, "noticing which pages were written",
     "hashes of all pages are compared", "needs Linux 6.7 or later", ""},
    {"perf breakpoints", "perf", false, TryPerfBreakpoint,
     "counting how often a place was passed (later versions)", "stops, one per passing",
     "sysctl kernel.perf_event_paranoid=2 or less; hardware breakpoints in the virtual machine",
     "/proc/sys/kernel/perf_event_paranoid"},
    {"user namespaces", "userns", false, TryUserNamespace,
     "the same pids again after a restore (later versions)", "other pids",
     "sysctl user.max_user_namespaces above 0; in a container, a profile that allows unshare",
     "/proc/sys/user/max_user_namespaces"},
    {"CPU pinning", "", false, TryPinning, "keeping program and supervisor on one CPU",
     "stops cost three times more", "a seccomp profile that allows sched_setaffinity", ""},
    {"store", "", true, TryStore, "keeping traces", "",
     "set RETAKE_DIR to a writable directory, or give -o", ""},
    {"cache", "", false, TryCache, "keeping contents of files that many programs map",
     "they are copied into each trace", "make ${XDG_CACHE_HOME:-~/.cache} writable", ""},
    {"hard links", "hardlink", false, TryHardLink, "sharing contents between cache and traces",
     "reflinks, else copies", "keep cache and store on one file system", ""},
    {"reflinks", "reflink", false, TryReflink, "sharing contents between cache and traces",
     "hard links, else copies", "a file system that has them (btrfs, xfs), for both", ""},
    {"limits", "", false, TryLimits, "file size, open files, processes",
     "a trace is cut where a limit is met", "ulimit -f unlimited; ulimit -n 1024", ""},
};

std::string FirstLineOf(std::string_view path) {
  std::ifstream file{std::string(path)};
  std::string line;
  std::getline(file, line);
  return line;
}

// The value of `field` in /proc/self/status.
std::string StatusField(std::string_view field) {
  std::ifstream file("/proc/self/status");
  std::string line;
  while (std::getline(file, line)) {
    if (!line.starts_with(field) || line.size() <= field.size() || line[field.size()] != ':') {
      continue;
    }
    size_t value = line.find_first_not_of(" \t", field.size() + 1);
    return value == std::string::npos ? "" : line.substr(value);
  }
  return "";
}

// A seccomp filter is in force already: retake runs in a container or a sandbox.
bool UnderFilter() { return StatusField("Seccomp") == "2"; }

// Runs the row's trial in a child. nullopt-like failures become a Trial that says what happened.
Trial RunInChild(const Row& row, const ProbePlaces& places) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return Trial::Failed(errno, "making a pipe");
  Fd read_end(ends[0]), write_end(ends[1]);
  fflush(stdout);
  pid_t child = fork();
  if (child < 0) return Trial::Failed(errno, "starting a process");
  if (child == 0) {
    read_end.Reset();
    Trial trial = row.run(places);
    ssize_t wrote = write(write_end.get(), &trial, sizeof trial);
    _exit(wrote == sizeof trial ? 0 : 1);
  }
  write_end.Reset();
  struct pollfd wait = {.fd = read_end.get(), .events = POLLIN, .revents = 0};
  Trial trial = Trial::Failed(0, "it hung");
  if (poll(&wait, 1, kProbeMilliseconds) == 1 &&
      read(read_end.get(), &trial, sizeof trial) != sizeof trial) {
    trial = Trial::Failed(0, "the trial was killed");
  }
  kill(child, SIGKILL);
  siginfo_t info;
  while (waitid(P_PID, static_cast<id_t>(child), &info, WEXITED) != 0 && errno == EINTR) {
  }
  return trial;
}

// "EPERM (Operation not permitted), ...": by what.
std::string RefusedBy(const Row& row, const Trial& trial) {
  std::string text = trial.text;
  if (trial.code != 0) {
    if (!text.empty()) text += ": ";
    text += fmt::format("{} ({})", strerrorname_np(trial.code), strerror(trial.code));
  }
  if (!row.explained_by.empty()) {
    std::string value = FirstLineOf(row.explained_by);
    if (!value.empty()) text += fmt::format("; {} is {}", row.explained_by, value);
  }
  bool filterable = trial.code == EPERM || trial.code == ENOSYS || trial.code == EACCES;
  if (filterable && UnderFilter()) text += "; a seccomp filter is in force here and may be why";
  return text;
}

bool MayUseNamed(std::string_view name) {
  for (const FeatureName& row : AllFeatures()) {
    if (row.name == name) return MayUse(row.feature);
  }
  return true;
}

}  // namespace

std::vector<ProbeResult> ProbeEverything(const ProbePlaces& places) {
  std::vector<ProbeResult> results;
  for (const Row& row : kRows) {
    ProbeResult result{.name = row.name,
                       .feature = row.feature,
                       .essential = row.essential,
                       .detail = "",
                       .use = row.use,
                       .instead = row.instead,
                       .remedy = row.remedy};
    if (!MayUseNamed(row.feature)) {
      result.verdict = ProbeVerdict::kTurnedOff;
      result.detail = "turned off by RETAKE_WITHOUT";
    } else {
      Trial trial = RunInChild(row, places);
      result.verdict = trial.works ? ProbeVerdict::kWorks : ProbeVerdict::kRefused;
      result.detail = trial.works ? trial.text : RefusedBy(row, trial);
    }
    results.push_back(std::move(result));
  }
  return results;
}

bool CanRecord(const std::vector<ProbeResult>& results) {
  for (const ProbeResult& result : results) {
    if (result.essential && result.verdict != ProbeVerdict::kWorks) return false;
  }
  return true;
}

std::string DescribeSurroundings() {
  struct utsname names = {};
  uname(&names);
  std::string filters = StatusField("Seccomp_filters");
  std::string text =
      fmt::format("Linux {} on {} ({}), user {}, capabilities {}", names.release, names.machine,
                  machine::CpuModel(), geteuid(), StatusField("CapEff"));
  if (UnderFilter()) {
    text += fmt::format(", under {} seccomp filter{}", filters.empty() ? "a" : filters,
                        filters == "1" || filters.empty() ? "" : "s");
  }
  return text;
}

}  // namespace retake
