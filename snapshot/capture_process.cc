#include "snapshot/capture_process.h"

#include <linux/prctl.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "snapshot/capture_task.h"
#include "snapshot/confinement.h"
#include "snapshot/injection.h"
#include "snapshot/landlock.h"
#include "snapshot/posix_timers.h"
#include "snapshot/questions.h"
#include "snapshot/smaps.h"
#include "snapshot/terminal.h"
#include "tracee/proc_files.h"
#include "tracee/ptrace.h"

namespace retake {
namespace {

constexpr size_t kExitCodeField = 52;  // proc_pid_stat(5)

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

// `tid` is a task that lives: a leader that has ended has no memory, no directory and no files.
Status ReadFromOutside(pid_t pid, pid_t tid, const ProcStatus& status, ProcessState& out) {
  ProcStat stat = TRY(ProcStat::Read(tid));
  out.pid = pid;
  out.name = stat.name();
  out.parent_pid = static_cast<int32_t>(stat.field(4));
  out.group = static_cast<int32_t>(stat.field(5));
  out.session = static_cast<int32_t>(stat.field(6));
  out.exit_signal = static_cast<int32_t>(stat.field(38));
  out.controlling_terminal = static_cast<int32_t>(PseudoterminalOf(ControllingDevice(stat)));
  out.foreground_group = static_cast<int32_t>(stat.field(8));
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
  std::string auxv = TRY(ReadProcFile(tid, "auxv"));
  out.layout.auxv.assign(auxv.begin(), auxv.end());
  out.arguments = ReadArguments(tid);
  out.executable = ReadExecutable(tid);
  out.root = ReadProcLink(tid, "root");
  out.directory = ReadProcLink(tid, "cwd");
  out.umask = static_cast<uint32_t>(status.Number("Umask", 8));
  out.personality = strtoull(TRY(ReadProcFile(tid, "personality")).c_str(), nullptr, 16);
  out.limits = TRY(ReadLimits(tid));
  auto filter = ReadProcFile(tid, "coredump_filter");
  if (filter.ok()) out.core_filter = strtoull(filter->c_str(), nullptr, 16);
  auto adjustment = ReadProcFile(tid, "oom_score_adj");
  if (adjustment.ok())
    out.oom_score_adjustment = static_cast<int32_t>(strtol(adjustment->c_str(), nullptr, 10));
  for (const siginfo_t& info : TRY(ptracer::PeekPending(tid, /*shared=*/true)))
    out.pending.push_back(KeptSignal(info));
  return {};
}

// MCL_FUTURE shows in what has just been mapped.
Result<uint32_t> LocksFuture(pid_t pid, pid_t tid, const ProcStatus& before,
                             const Injection& injection) {
  ProcStatus with = TRY(ProcStatus::ReadTask(pid, tid));
  if (with.Number("VmLck") == before.Number("VmLck")) return 0U;
  for (const MappingDetails& details : TRY(ReadSmaps(tid))) {
    const Mapping& mapping = details.mapping;
    if (mapping.start > injection.scratch() || injection.scratch() >= mapping.end) continue;
    bool on_fault = (details.flags & kLockedOnFault) != 0;
    return static_cast<uint32_t>(MCL_FUTURE | (on_fault ? MCL_ONFAULT : 0));
  }
  return Error(0, "whether it locks memory to come can't be read", pid);
}

// What mbind(2) has set. The kernel tells of it only the process itself, for one address at a time:
// all that a private mapping can have, and not all that shared memory can.
Status FindPolicies(std::span<const Mapping> mappings, Injection& injection, ProcessState& out,
                    Losses& losses) {
  constexpr size_t kBatch = 64;
  constexpr uint64_t kOfAddress = 2;  // MPOL_F_ADDR of <linux/mempolicy.h>
  struct Asked {
    const Mapping* mapping;
    size_t call;
    uint64_t mode, nodes;
  };
  for (size_t next = 0; next < mappings.size();) {
    std::vector<Asked> asked;
    for (; next < mappings.size() && asked.size() < kBatch; ++next) {
      const Mapping& mapping = mappings[next];
      if (mapping.is_vsyscall() || mapping.is_vdso() || mapping.is_vvar()) continue;
      uint64_t mode = injection.Room(sizeof(int32_t)), nodes = injection.Room(kMaxNodes / 8);
      BatchCall call =
          MakeCall(Sys::get_mempolicy, mode, nodes, kMaxNodes, mapping.start, kOfAddress);
      asked.push_back({&mapping, injection.Add(call), mode, nodes});
    }
    TRY(injection.Run());
    for (const Asked& one : asked) {
      // A kernel without NUMA has no policies.
      if (injection.result(one.call) != 0 || injection.At<int32_t>(one.mode) == 0) continue;
      if (one.mapping->shared) {
        losses.push_back({.pid = out.pid,
                          .kind = "mapping",
                          .what = fmt::format("{:#x} to {:#x} is shared memory and has a NUMA "
                                              "policy of its own (mbind), which isn't kept",
                                              one.mapping->start, one.mapping->end)});
        continue;
      }
      ByteSpan nodes = injection.BytesAt(one.nodes, kMaxNodes / 8);
      out.policies.push_back({.start = one.mapping->start,
                              .size = one.mapping->size(),
                              .mode = static_cast<uint32_t>(injection.At<int32_t>(one.mode)),
                              .nodes = {nodes.begin(), nodes.end()}});
    }
  }
  return {};
}

// A filter of the task's own could answer calls that it is made to make by killing it.
bool MayMakeCalls(pid_t tid, const ProcStatus& status, Losses& losses) {
  if (ptracer::HandlesOwnCalls(tid)) {
    losses.push_back({.pid = tid,
                      .kind = "calls",
                      .what =
                          "it handles calls of its own by SIGSYS (PR_SET_SYSCALL_USER_DISPATCH), "
                          "and so can't be asked what only it can tell",
                      .forcible = false});
    return false;
  }
  SeccompState how = SeccompOf(status);
  if (how.mode == 0 || how == OwnSeccomp() ||
      ptracer::SuspendSeccomp(tid, FrozenTree::kTraceOptions).ok())
    return true;
  losses.push_back({.pid = tid,
                    .kind = "seccomp",
                    .what = "what only it can tell of itself can't be asked for: it could be "
                            "killed for the call. To suspend its filter takes CAP_SYS_ADMIN and a "
                            "caller that isn't confined itself",
                    .forcible = false});
  return false;
}

}  // namespace

Result<ProcessState> CaptureProcess(const FrozenProcess& process, ProcessMemory& memory,
                                    Losses& losses) {
  pid_t first = process.tasks[0].tid;
  ProcessState out;
  ProcStatus status = TRY(ProcStatus::ReadTask(process.pid, first));
  TRY(ReadFromOutside(process.pid, first, status, out));
  out.leader_exited = process.leader_exited;
  if (process.leader_exited) {
    ProcStat leader = TRY(ProcStat::ReadTask(process.pid, process.pid));
    out.name = leader.name();
    out.wait_status = static_cast<int32_t>(leader.field(kExitCodeField));
  }
  for (const FrozenTask& task : process.tasks) {
    if (task.stopped_by == 0) continue;
    out.condition = ProcessCondition::kStopped;
    out.stop_signal = task.stopped_by;
  }
  FindConfinement(process, losses);
  if (out.directory.ends_with(" (deleted)") && access(out.directory.c_str(), F_OK) != 0) {
    losses.push_back({.pid = process.pid,
                      .kind = "directory",
                      .what = "its working directory has been deleted"});
  }

  LandlockProbe landlock;
  InjectionSite site = TRY(InjectionSite::Find(memory.memory(), memory.mappings(), process.pid));
  for (const FrozenTask& task : process.tasks) {
    ProcStatus own = TRY(ProcStatus::ReadTask(process.pid, task.tid));
    TaskState state = TRY(CaptureTask(process.pid, task, own, memory.memory(), losses));
    if (!MayMakeCalls(task.tid, own, losses)) {
      out.tasks.push_back(std::move(state));
      continue;
    }
    auto injection = TRY(Injection::Begin(process.pid, task, own, memory.memory(), site));
    TaskQuestions questions(*injection);
    std::optional<ProcessQuestions> of_process;
    if (task.tid == first) {
      of_process.emplace(*injection, own, ReadPosixTimers(process.pid, losses));
    }
    TRY(injection->Run());
    TRY(questions.Answer(*injection, state, losses));
    if (of_process) {
      TRY(of_process->Answer(*injection, out));
      TRY(FindPolicies(memory.mappings(), *injection, out, losses));
      out.locks_future = TRY(LocksFuture(process.pid, task.tid, own, *injection));
    }
    TRY(landlock.Ask(task.tid, state.credentials, *injection, losses));
    if (memory.wants_copy()) TRY(memory.MakeCopy(*injection));
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
  out.wait_status = static_cast<int32_t>(stat.field(kExitCodeField));
  ProcStatus status = TRY(ProcStatus::Read(pid));
  out.credentials = ReadCredentials(status);
  return out;
}

}  // namespace retake
