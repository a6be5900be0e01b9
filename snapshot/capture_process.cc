#include "snapshot/capture_process.h"

#include <linux/ioprio.h>
#include <linux/prctl.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "snapshot/capture_task.h"
#include "snapshot/injection.h"
#include "tracee/proc_files.h"
#include "tracee/ptrace.h"

namespace retake {
namespace {

constexpr int kSignals = 64;

// <linux/prctl.h>; headers of Debian 12 lack it.
constexpr int kGetMdwe = 66;

std::vector<uint32_t> Narrow(const std::vector<uint64_t>& wide) {
  std::vector<uint32_t> out;
  out.reserve(wide.size());
  for (uint64_t value : wide) out.push_back(static_cast<uint32_t>(value));
  return out;
}

Credentials ReadCredentials(const ProcStatus& status) {
  Credentials credentials;
  credentials.uids = Narrow(status.Numbers("Uid"));
  credentials.gids = Narrow(status.Numbers("Gid"));
  credentials.groups = Narrow(status.Numbers("Groups"));
  credentials.inheritable = status.Number("CapInh", 16);
  credentials.permitted = status.Number("CapPrm", 16);
  credentials.effective = status.Number("CapEff", 16);
  credentials.bounding = status.Number("CapBnd", 16);
  credentials.ambient = status.Number("CapAmb", 16);
  credentials.no_new_privileges = status.Number("NoNewPrivs") != 0;
  return credentials;
}

// The lines of /proc/PID/limits, in the order of RLIMIT_*. (prlimit needs a capability for another
// user's process; this needs none.)
Result<std::vector<ResourceLimit>> ReadLimits(pid_t pid) {
  std::vector<ResourceLimit> limits;
  for (int resource = 0; resource < RLIM_NLIMITS; ++resource) {
    rlimit limit{};
    if (prlimit(pid, static_cast<__rlimit_resource>(resource), nullptr, &limit) != 0) break;
    limits.push_back({limit.rlim_cur, limit.rlim_max});
  }
  if (limits.size() == RLIM_NLIMITS) return limits;
  limits.clear();
  constexpr std::string_view kNames[] = {
      "Max cpu time",       "Max file size",     "Max data size",         "Max stack size",
      "Max core file size", "Max resident set",  "Max processes",         "Max open files",
      "Max locked memory",  "Max address space", "Max file locks",        "Max pending signals",
      "Max msgqueue size",  "Max nice priority", "Max realtime priority", "Max realtime timeout"};
  std::string text = TRY(ReadProcFile(pid, "limits"));
  for (std::string_view name : kNames) {
    size_t at = text.find(name);
    if (at == std::string::npos) return Error(0, "its limits can't be read", pid);
    char soft[32] = "", hard[32] = "";
    sscanf(text.c_str() + at + name.size(), "%31s %31s", soft, hard);
    auto value = [](const char* word) {
      return strcmp(word, "unlimited") == 0 ? uint64_t{RLIM_INFINITY} : strtoull(word, nullptr, 10);
    };
    limits.push_back({value(soft), value(hard)});
  }
  return limits;
}

NamedFile ReadExecutable(pid_t pid) {
  std::string path = ReadProcLink(pid, "exe");
  struct stat status {};
  if (stat(fmt::format("/proc/{}/exe", pid).c_str(), &status) != 0) return {.path = path};
  return NamedFileOf(std::move(path), status);
}

Result<std::vector<SignalAction>> AskActions(Injection& injection, const TaskMemory& memory,
                                             const ProcStatus& status) {
  uint64_t caught = status.Number("SigCgt", 16);
  uint64_t ignored = status.Number("SigIgn", 16);
  // Of SIGCHLD the flags count, whatever is done with it: SA_NOCLDWAIT.
  uint64_t asked = caught | ignored | uint64_t{1} << (SIGCHLD - 1);
  std::vector<SignalAction> actions;
  const size_t size = HostArch().abi.ksigaction_size;
  for (int signal = 1; signal <= kSignals; ++signal) {
    if ((asked >> (signal - 1) & 1) == 0) continue;
    uint64_t result = TRY(injection.Call(MakeCall(Sys::rt_sigaction, static_cast<uint64_t>(signal),
                                                  0, injection.scratch(), kSignals / 8)));
    if (result != 0) {
      return MakeError("it can't say what it does on signal {}: {}", signal,
                       strerror(static_cast<int>(-result)));
    }
    SignalAction action{.signal = signal};
    action.action.resize(size);
    if (!memory.Read(injection.scratch(), action.action.data(), size))
      return MakeError("its memory can't be read");
    if (!IsZero(action.action)) actions.push_back(std::move(action));
  }
  return actions;
}

Result<std::vector<IntervalTimer>> AskTimers(Injection& injection, const TaskMemory& memory) {
  std::vector<IntervalTimer> timers;
  for (int which : {ITIMER_REAL, ITIMER_VIRTUAL, ITIMER_PROF}) {
    itimerval value{};
    uint64_t result = TRY(injection.Call(
        MakeCall(Sys::getitimer, static_cast<uint64_t>(which), injection.scratch())));
    if (result != 0 || !memory.Read(injection.scratch(), &value, sizeof value))
      return MakeError("it can't say when its timers expire");
    auto nanoseconds = [](const timeval& time) {
      return time.tv_sec * 1'000'000'000 + time.tv_usec * 1'000;
    };
    if (value.it_value.tv_sec == 0 && value.it_value.tv_usec == 0) continue;
    timers.push_back(
        {which, nanoseconds(value.it_interval), std::max(nanoseconds(value.it_value), int64_t{1})});
  }
  return timers;
}

Status AskProcess(Injection& injection, const TaskMemory& memory, const ProcStatus& status,
                  ProcessState& out) {
  out.actions = TRY(AskActions(injection, memory, status));
  out.timers = TRY(AskTimers(injection, memory));
  out.layout.brk = TRY(injection.Call(MakeCall(Sys::brk, 0)));
  out.dumpable = static_cast<uint32_t>(TRY(injection.Call(MakeCall(Sys::prctl, PR_GET_DUMPABLE))));
  out.credentials.securebits =
      static_cast<uint32_t>(TRY(injection.Call(MakeCall(Sys::prctl, PR_GET_SECUREBITS))));
  int32_t subreaper = 0;
  uint64_t told =
      TRY(injection.Call(MakeCall(Sys::prctl, PR_GET_CHILD_SUBREAPER, injection.scratch())));
  if (told == 0 && memory.Read(injection.scratch(), &subreaper, sizeof subreaper))
    out.subreaper = subreaper != 0;
  uint64_t denied = TRY(injection.Call(MakeCall(Sys::prctl, kGetMdwe)));
  if (!CallFailed(denied)) out.execution_denied = denied;
  uint64_t no_huge = TRY(injection.Call(MakeCall(Sys::prctl, PR_GET_THP_DISABLE)));
  out.no_huge_pages = no_huge == 1;
  return {};
}

Status ReadFromOutside(pid_t pid, const ProcStatus& status, ProcessState& out) {
  ProcStat stat = TRY(ProcStat::Read(pid));
  out.pid = pid;
  out.name = stat.name();
  out.parent_pid = static_cast<int32_t>(stat.field(4));
  out.group = static_cast<int32_t>(stat.field(5));
  out.session = static_cast<int32_t>(stat.field(6));
  out.exit_signal = static_cast<int32_t>(stat.field(38));
  out.layout.start_code = stat.address(26);
  out.layout.end_code = stat.address(27);
  out.layout.start_stack = stat.address(28);
  out.layout.start_data = stat.address(45);
  out.layout.end_data = stat.address(46);
  out.layout.start_brk = stat.address(47);
  out.layout.arg_start = stat.address(48);
  out.layout.arg_end = stat.address(49);
  out.layout.env_start = stat.address(50);
  out.layout.env_end = stat.address(51);
  std::string auxv = TRY(ReadProcFile(pid, "auxv"));
  out.layout.auxv.assign(auxv.begin(), auxv.end());
  out.arguments = ReadArguments(pid);
  out.executable = ReadExecutable(pid);
  out.root = ReadProcLink(pid, "root");
  out.directory = ReadProcLink(pid, "cwd");
  out.umask = static_cast<uint32_t>(status.Number("Umask", 8));
  out.personality = strtoull(TRY(ReadProcFile(pid, "personality")).c_str(), nullptr, 16);
  out.credentials = ReadCredentials(status);
  out.limits = TRY(ReadLimits(pid));
  auto filter = ReadProcFile(pid, "coredump_filter");
  if (filter.ok()) out.core_filter = strtoull(filter->c_str(), nullptr, 16);
  auto adjustment = ReadProcFile(pid, "oom_score_adj");
  if (adjustment.ok())
    out.oom_score_adjustment = static_cast<int32_t>(strtol(adjustment->c_str(), nullptr, 10));
  for (const siginfo_t& info : TRY(ptracer::PeekPending(pid, /*shared=*/true)))
    out.pending.push_back(KeptSignal(info));
  return {};
}

// Each namespace that a process has of its own would be another after a restore.
constexpr std::string_view kNamespaces[] = {"cgroup", "ipc",  "mnt",  "net",
                                            "pid",    "time", "user", "uts"};

// What would be lost of namespaces, of confinement and of timers.
void FindConfinement(pid_t pid, Losses& losses) {
  auto lose = [&](std::string kind, std::string what) {
    losses.push_back({.pid = pid, .kind = std::move(kind), .what = std::move(what)});
  };
  for (std::string_view name : kNamespaces) {
    std::string theirs = ReadProcLink(pid, fmt::format("ns/{}", name));
    std::string ours = ReadProcLink(getpid(), fmt::format("ns/{}", name));
    if (!theirs.empty() && theirs != ours) {
      lose("namespace", fmt::format("it is in another {} namespace than this command: run this "
                                    "inside it (nsenter -t {} -a)",
                                    name, pid));
    }
  }
  if (ReadProcLink(pid, "root") != ReadProcLink(getpid(), "root"))
    lose("root", fmt::format("its root directory is {}", ReadProcLink(pid, "root")));
  auto status = ProcStatus::Read(pid);
  if (!status.ok()) return;
  if (uint64_t mode = status->Number("Seccomp"); mode != 0) {
    lose("seccomp", fmt::format("it is confined by seccomp ({}), which isn't kept: it would go on "
                                "less confined than it was",
                                mode == 1 ? "strict mode" : "a filter"));
  }
  auto timers = ReadProcFile(pid, "timers");
  if (timers.ok() && !timers->empty())
    lose("timer", "it has timers made by timer_create, which aren't kept");
}

}  // namespace

Result<ProcessState> CaptureProcess(const FrozenProcess& process, const TaskMemory& memory,
                                    std::span<const Mapping> mappings, Losses& losses) {
  pid_t first = process.tasks[0].tid;
  ProcessState out;
  ProcStatus status = TRY(ProcStatus::ReadTask(process.pid, first));
  TRY(ReadFromOutside(process.pid, status, out));
  out.leader_exited = process.leader_exited;
  for (const FrozenTask& task : process.tasks) {
    if (task.stopped_by == 0) continue;
    out.condition = ProcessCondition::kStopped;
    out.stop_signal = task.stopped_by;
  }
  FindConfinement(process.pid, losses);

  InjectionSite site = TRY(InjectionSite::Find(memory, mappings, process.pid));
  for (const FrozenTask& task : process.tasks) {
    TaskState state = TRY(CaptureTask(process.pid, task));
    auto injection = TRY(Injection::Begin(task, memory, site));
    if (task.tid == first) TRY(AskProcess(*injection, memory, status, out));
    TRY(AskTask(*injection, memory, state));
    TRY(injection->End());
    out.tasks.push_back(std::move(state));
  }
  return out;
}

Result<ProcessState> CaptureZombie(pid_t pid) {
  ProcessState out;
  ProcStat stat = TRY(ProcStat::Read(pid));
  out.pid = pid;
  out.name = stat.name();
  out.condition = ProcessCondition::kZombie;
  out.parent_pid = static_cast<int32_t>(stat.field(4));
  out.group = static_cast<int32_t>(stat.field(5));
  out.session = static_cast<int32_t>(stat.field(6));
  out.exit_signal = static_cast<int32_t>(stat.field(38));
  out.wait_status = static_cast<int32_t>(stat.field(52));
  ProcStatus status = TRY(ProcStatus::Read(pid));
  out.credentials = ReadCredentials(status);
  return out;
}

}  // namespace retake
