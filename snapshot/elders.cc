#include "snapshot/elders.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>

#include "base/fd.h"
#include "base/syscall.h"
#include "snapshot/sessions.h"
#include "tracee/proc_files.h"
#include "tracee/ptrace.h"

namespace retake {
namespace {

constexpr int kEndBound = 10'000;  // ms
constexpr pid_t kInit = 1;

enum class ChildOf : uint8_t { kUs, kOurParent };

// A fork with that pid, or 0: any; -1: errno says why not.
pid_t ForkAs(pid_t pid, ChildOf parent) {
  clone_args args{};
  // Then it ends with the signal that we end with.
  args.flags = parent == ChildOf::kOurParent ? CLONE_PARENT : 0;
  args.exit_signal = parent == ChildOf::kOurParent ? 0 : SIGCHLD;
  if (pid != 0) {
    args.set_tid = reinterpret_cast<uint64_t>(&pid);
    args.set_tid_size = 1;
  }
  return Clone3(&args, sizeof args);
}

Error CannotStandIn(pid_t pid) {
  return ErrnoError("can't make a process in place of {}, which the tree knows", pid);
}

Status StandInForGroup(pid_t group) {
  pid_t child = ForkAs(group, ChildOf::kUs);
  if (child < 0) return CannotStandIn(group);
  if (child == 0) StandIn();
  if (setpgid(child, child) != 0) return ErrnoError("can't make process group {}", group);
  return {};
}

// In the stand-in for the leader of the session.
[[noreturn]] void Lead(const Elders& elders, const ElderWork& work) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  Status begun = work.lead();
  bool leads_group = elders.group == elders.session || elders.group == elders.parent;
  if (begun.ok() && elders.group != 0 && !leads_group) begun = StandInForGroup(elders.group);
  if (!begun.ok() || elders.restorer_leads()) work.restore(begun);
  pid_t child = ForkAs(elders.parent, ChildOf::kOurParent);
  if (child < 0) work.restore(CannotStandIn(elders.parent));
  if (child == 0) {
    if (elders.group == elders.parent) setpgid(0, 0);
    work.restore({});
  }
  StandIn();
}

}  // namespace

std::vector<pid_t> Elders::pids() const {
  std::vector<pid_t> pids;
  for (pid_t pid : {parent, session, group}) {
    if (pid != 0 && std::ranges::find(pids, pid) == pids.end()) pids.push_back(pid);
  }
  return pids;
}

Elders EldersOf(const CheckpointImage& image) {
  const ProcessState& root = image.processes[0];
  auto is_of_tree = [&](pid_t pid) {
    return std::ranges::find(image.processes, pid, &ProcessState::pid) != image.processes.end();
  };
  Elders elders;
  // The first process of a machine or a container isn't stood in for: orphans are its children.
  if (root.parent_pid > kInit) elders.parent = root.parent_pid;
  // One that has ended is stood in for until its session is there again (RestoredSessions).
  if (root.session > kInit && !is_of_tree(root.session) && !IsInLeaderlessSession(image))
    elders.session = root.session;
  if (elders.session != 0 && root.group > kInit && !is_of_tree(root.group))
    elders.group = root.group;
  return elders;
}

bool AreFree(const Elders& elders) {
  return std::ranges::all_of(elders.pids(), [](pid_t pid) {
    pid_t child = ForkAs(pid, ChildOf::kUs);
    if (child < 0) return false;
    if (child == 0) _exit(0);
    return ptracer::WaitOne(child, kEndBound).ok();
  });
}

Status StartElders(const Elders& elders, const ElderWork& work) {
  pid_t eldest = elders.session != 0 ? elders.session : elders.parent;
  pid_t child = ForkAs(eldest, ChildOf::kUs);
  if (child < 0) return CannotStandIn(eldest);
  if (child == 0) {
    if (elders.session != 0) Lead(elders, work);
    work.restore({});
  }
  return {};
}

void LetGoOfFiles(std::initializer_list<int> but_for) {
  Fd null(open("/dev/null", O_RDWR | O_CLOEXEC));
  for (int fd = 0; fd <= 2; ++fd) dup2(null.get(), fd);
  for (int fd : DescriptorsOf(getpid())) {
    if (fd > 2 && std::ranges::find(but_for, fd) == but_for.end()) close(fd);
  }
}

void BeDeaf() {
  prctl(PR_SET_NAME, "stand-in");
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_BLOCK, &all, nullptr);
}

void StandIn() {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  BeDeaf();
  LetGoOfFiles({});
  for (;;) pause();
}

bool OnlyEldersAreLeft(const Elders& elders) {
  std::vector<pid_t> pids = elders.pids();
  std::vector<pid_t> found = ChildrenOf(getpid(), getpid());
  for (size_t i = 0; i < found.size(); ++i) {
    if (std::ranges::find(pids, found[i]) == pids.end()) return false;
    std::vector<pid_t> children = ChildrenOf(found[i], found[i]);
    found.insert(found.end(), children.begin(), children.end());
  }
  return true;
}

void WakeParent() {
  if (ForkAs(0, ChildOf::kOurParent) == 0) _exit(0);
}

}  // namespace retake
