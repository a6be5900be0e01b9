#include "snapshot/elders.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>

#include "base/syscall.h"
#include "snapshot/sessions.h"
#include "tracee/proc_files.h"
#include "tracee/ptrace.h"

namespace retake {
namespace {

constexpr int kEndBound = 10'000;  // ms
constexpr pid_t kInit = 1;

Error CannotStandIn(pid_t pid) {
  return ErrnoError("can't make a process in place of {}, which the tree knows", pid);
}

Status StandInForGroup(pid_t group) {
  pid_t child = ForkAs(group);
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
  pid_t child = ForkAs(elders.parent, CLONE_PARENT);
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
    pid_t child = ForkAs(pid);
    if (child < 0) return false;
    if (child == 0) _exit(0);
    return ptracer::WaitOne(child, kEndBound).ok();
  });
}

Status StartElders(const Elders& elders, const ElderWork& work) {
  pid_t eldest = elders.session != 0 ? elders.session : elders.parent;
  pid_t child = ForkAs(eldest);
  if (child < 0) return CannotStandIn(eldest);
  if (child == 0) {
    if (elders.session != 0) Lead(elders, work);
    work.restore({});
  }
  return {};
}

void LetGoOfFiles(std::set<int> but_for) {
  int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  for (int fd = 0; fd <= 2; ++fd) dup2(null, fd);
  but_for.insert({0, 1, 2});
  KeepOnly(but_for);
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
  auto is_of_tree = [&](pid_t pid) { return std::ranges::find(pids, pid) == pids.end(); };
  return FindDescendant(getpid(), is_of_tree) == 0;
}

void WakeParent() {
  if (ForkAs(0, CLONE_PARENT) == 0) _exit(0);
}

}  // namespace retake
