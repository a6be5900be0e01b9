#include "snapshot/confinement.h"

#include <fcntl.h>
#include <linux/kcmp.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/fd.h"
#include "base/syscall.h"
#include "snapshot/seccomp_filters.h"
#include "tracee/proc_files.h"

namespace retake {
namespace {

// Each namespace that a task has of its own, or its children would have, would be another after a
// restore.
constexpr std::array<std::string_view, 10> kNamespaces = {
    "cgroup", "ipc", "mnt", "net", "pid", "pid_for_children", "time", "time_for_children",
    "user",   "uts"};
// How nsenter(1) is told to enter each. What one has made, one may enter with one's own identity.
constexpr std::array<std::string_view, kNamespaces.size()> kToEnter = {
    "-C", "-i", "-m", "-n", "-p", "-p", "-T", "-T", "-U --preserve-credentials", "-u"};
// A tree's time namespace is kept (snapshot/machine_clocks.h).
constexpr size_t IndexOf(std::string_view name) {
  return static_cast<size_t>(std::ranges::find(kNamespaces, name) - kNamespaces.begin());
}
constexpr size_t kTime = IndexOf("time");
constexpr size_t kTimeForChildren = IndexOf("time_for_children");

using Namespaces = std::array<std::string, kNamespaces.size()>;

// The links of a task's directory of namespaces. Empty ones can't be read, or don't exist.
Namespaces ReadNamespaces(const std::string& directory) {
  Namespaces out;
  Fd opened(open(directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!opened) return out;
  for (size_t i = 0; i < kNamespaces.size(); ++i) {
    char link[64];
    ssize_t size = readlinkat(opened.get(), kNamespaces[i].data(), link, sizeof link);
    if (size > 0) out[i].assign(link, static_cast<size_t>(size));
  }
  return out;
}

class Finder {
 public:
  Finder(const FrozenProcess& process, Losses& losses) : process_(process), losses_(losses) {}

  void Find() {
    static const Namespaces kOurs = ReadNamespaces("/proc/thread-self/ns");
    pid_t first = process_.tasks[0].tid;
    std::string root = ReadProcLink(first, "root");
    if (root != ReadProcLink(getpid(), "root"))
      Lose(first, "root", fmt::format("its root directory is {}", root));
    Namespaces firsts;
    for (const FrozenTask& task : process_.tasks) {
      std::string directory = fmt::format("/proc/{}/task/{}/ns", process_.pid, task.tid);
      Namespaces theirs = ReadNamespaces(directory);
      std::vector<size_t> others;
      for (size_t i = 0; i < kNamespaces.size(); ++i) {
        // What holds for all is said once.
        if (task.tid != first && theirs[i] == firsts[i]) continue;
        const std::string& wanted = i == kTimeForChildren ? theirs[kTime] : kOurs[i];
        if (i == kTime || theirs[i] == wanted || kOurs[i].empty()) continue;
        if (theirs[i].empty()) {
          // It has been made, and nothing is in it yet; or it may not be looked at.
          Lose(task.tid, "namespace",
               fmt::format("which namespace ({}) it has can't be read", kNamespaces[i]),
               LossNature::kPossible);
        } else if (i == kTimeForChildren) {
          Lose(task.tid, "namespace", "its children would be in another time namespace than it is");
        } else {
          others.push_back(i);
        }
      }
      if (!others.empty()) LoseNamespaces(task.tid, others);
      if (task.tid == first) firsts = theirs;
      FindSeccomp(task.tid);
      if (task.tid == first) continue;
      FindUnshared(task.tid, first);
    }
  }

 private:
  void Lose(pid_t tid, std::string kind, std::string what,
            LossNature nature = LossNature::kCertain) {
    losses_.push_back(
        {.pid = tid, .kind = std::move(kind), .what = std::move(what), .nature = nature});
  }

  void LoseNamespaces(pid_t tid, std::span<const size_t> others) {
    std::vector<std::string_view> names, flags;
    for (size_t i : others) {
      names.push_back(kNamespaces[i]);
      if (std::ranges::count(flags, kToEnter[i]) == 0) flags.push_back(kToEnter[i]);
    }
    bool one = others.size() == 1;
    Lose(tid, "namespace",
         fmt::format("it is in {} ({}) than this command: run this inside {} (nsenter -t {} {})",
                     one ? "another namespace" : "other namespaces", fmt::join(names, ", "),
                     one ? "it" : "them", tid, fmt::join(flags, " ")));
  }

  void FindSeccomp(pid_t tid) {
    auto status = ProcStatus::ReadTask(process_.pid, tid);
    if (!status.ok()) {
      return Lose(tid, "seccomp", "whether it is confined by seccomp can't be read",
                  LossNature::kPossible);
    }
    SeccompState how = SeccompOf(*status);
    // What holds for all is said once. What we are under ourselves, a restored one will be too.
    if (how.mode == 0 || how == firsts_seccomp_ || how == OwnSeccomp()) return;
    if (tid == process_.tasks[0].tid) firsts_seccomp_ = how;
    auto confinement = ReadSeccomp(tid, *status);
    if (confinement.ok()) return;
    Lose(tid, "seccomp",
         fmt::format("it is confined by seccomp filters that can't be kept: it would go on less "
                     "confined than it was ({})",
                     confinement.error().Message()));
  }

  // Threads are made with all of this in common; unshare(2) ends it. Where kcmp isn't allowed, what
  // can be seen is compared.
  void FindUnshared(pid_t tid, pid_t first) {
    int files = Kcmp(tid, first, KCMP_FILES, 0, 0);
    if (files > 0 || (files < 0 && DescriptorsOf(tid) != DescriptorsOf(first)))
      Lose(tid, "descriptors", "it has a table of descriptors apart from its process's");
    int directory = Kcmp(tid, first, KCMP_FS, 0, 0);
    if (directory > 0 || (directory < 0 && DirectoryOf(tid) != DirectoryOf(first)))
      Lose(tid, "directory", "it has a working directory and umask apart from its process's");
  }

  std::pair<std::string, uint64_t> DirectoryOf(pid_t tid) const {
    auto status = ProcStatus::ReadTask(process_.pid, tid);
    return {ReadProcLink(tid, "cwd"), status.ok() ? status->Number("Umask", 8) : 0};
  }

  const FrozenProcess& process_;
  Losses& losses_;
  SeccompState firsts_seccomp_;
};

// When something was last done to any System V semaphore, CLOCK_REALTIME seconds; 0: never.
int64_t LastSemaphoreOperation() {
  int64_t last = 0;
  auto sets = ReadWhole("/proc/sysvipc/sem");
  if (!sets.ok()) return 0;  // a kernel without them
  // key semid perms nsems uid gid cuid cgid otime ctime
  for (size_t line = sets->find('\n'); line != sets->npos; line = sets->find('\n', line + 1)) {
    long long when = 0;
    if (sscanf(sets->c_str() + line, "%*d %*d %*o %*u %*u %*u %*u %*u %lld", &when) == 1)
      last = std::max<int64_t>(last, when);
  }
  return last;
}

int64_t StartTime(pid_t pid) {
  constexpr size_t kStartField = 22;  // proc_pid_stat(5): clock ticks since boot
  auto stat = ProcStat::Read(pid);
  int64_t ticks = stat.ok() ? stat->field(kStartField) : 0;
  int64_t boot =
      (ClockNanoseconds(CLOCK_REALTIME) - ClockNanoseconds(CLOCK_BOOTTIME)) / 1'000'000'000;
  return boot + ticks / sysconf(_SC_CLK_TCK) - 1;
}

// One that has no list for them compares equal to this process, which has none either. Threads have
// a list from the start.
bool MayHaveUndoValues(pid_t pid) {
  if (Kcmp(pid, getpid(), KCMP_SYSVSEM, 0, 0) <= 0) return false;
  return LastSemaphoreOperation() >= StartTime(pid);
}

}  // namespace

SeccompState SeccompOf(const ProcStatus& status) {
  return {status.Number("Seccomp"), status.Number("Seccomp_filters")};
}

const SeccompState& OwnSeccomp() {
  static const SeccompState kOwn = [] {
    auto status = ProcStatus::Read(getpid());
    return status.ok() ? SeccompOf(*status) : SeccompState();
  }();
  return kOwn;
}

void FindConfinement(const FrozenProcess& process, Losses& losses) {
  Finder(process, losses).Find();
}

Status FindSharing(std::span<const pid_t> tids, const SharingProbe& probe, Losses& losses) {
  struct Shared {
    int type;
    const char* kind;
    const char* what;
  };
  constexpr Shared kShared[] = {
      {KCMP_VM, "memory", "its memory"},
      {KCMP_FS, "directory", "its working directory and umask"},
      {KCMP_SIGHAND, "signals", "what it does on signals"},
  };
  auto are_one = [&](int type, pid_t tid, pid_t other) -> Result<bool> {
    int order = Kcmp(tid, other, type, 0, 0);
    if (order >= 0) return order == 0;
    // Where kcmp isn't allowed, the others can't be seen; processes that share them, and not their
    // memory, are rare.
    return type == KCMP_VM ? probe.ShareMemory(tid, other) : Result<bool>(false);
  };
  for (const Shared& shared : kShared) {
    for (size_t i = 1; i < tids.size(); ++i) {
      for (size_t other = 0; other < i; ++other) {
        if (!TRY(are_one(shared.type, tids[i], tids[other]))) continue;
        losses.push_back({.pid = tids[i],
                          .kind = shared.kind,
                          .what = fmt::format("{} is shared with pid {}: each would get its own",
                                              shared.what, tids[other])});
        break;
      }
    }
  }
  for (pid_t pid : tids) {
    if (!MayHaveUndoValues(pid)) continue;
    losses.push_back({.pid = pid,
                      .kind = "semaphore",
                      .what = "it may have done what its end would undo on System V semaphores "
                              "(SEM_UNDO): that can't be seen",
                      .nature = LossNature::kPossible});
  }
  return {};
}

}  // namespace retake
