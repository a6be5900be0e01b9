#include "snapshot/first_process.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>

#include "base/clock.h"
#include "base/syscall.h"
#include "tracee/proc_files.h"
#include "tracee/ptrace.h"

namespace retake {
namespace {

constexpr int kFailed = 125;
constexpr int kReapBound = 10'000;  // ms
constexpr int kPassedOn[] = {SIGTERM, SIGHUP, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2, SIGCONT, SIGWINCH};

// What the process that restores tells: the root as it sees it and no text, or why there is
// none; then, of a first process, the root's wait status.
struct Report {
  RestoredRoot root;
  uint32_t text_size = 0;
  bool lets_go = false;  // neither, yet: who is told is to outlive its parent, too, and to say so
};

bool ReadAll(int fd, void* to, size_t size) {
  auto* at = static_cast<char*>(to);
  while (size > 0) {
    ssize_t got = read(fd, at, size);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    at += got;
    size -= static_cast<size_t>(got);
  }
  return true;
}

bool WriteAll(int fd, const void* from, size_t size) {
  return write(fd, from, size) == static_cast<ssize_t>(size);
}

// --- In the process that restores ---

// Nobody has the other end.
bool HasHungUp(int fd) {
  pollfd heard{fd, 0, 0};
  return poll(&heard, 1, 0) == 1;
}

// Until all is restored, its end is its parent's; who may have ended before that was said.
Status EndWithParent(int report) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (HasHungUp(report)) return Error(0, "nobody waits for it any more");
  return {};
}

// Nobody may be there to hear it any more.
void Tell(int report, const Result<RestoredRoot>& root) {
  // Before it is told: who hears it may end at once.
  OutliveParent();
  Report said{.root = root.ok() ? *root : RestoredRoot()};
  std::string text = root.ok() ? "" : root.error().Message();
  said.text_size = static_cast<uint32_t>(text.size());
  if (WriteAll(report, &said, sizeof said)) (void)WriteAll(report, text.data(), text.size());
}

// The root as who restores it sees it, when that one has told.
Result<RestoredRoot> RootFrom(const Fd& told) {
  Report said;
  do {
    if (!ReadAll(told.get(), &said, sizeof said))
      return MakeError("the process that should restore it ended");
    if (!said.lets_go) continue;
    OutliveParent();
    (void)WriteAll(told.get(), "", 1);
  } while (said.lets_go);
  if (said.root.pid != 0) return said.root;
  std::string text(said.text_size, 0);
  (void)ReadAll(told.get(), text.data(), text.size());
  return MakeError("{}", text);
}

[[noreturn]] void RestoreOnly(const Fd& report, const RestoreFunction& restore) {
  Status waited_for = EndWithParent(report.get());
  Result<RestoredRoot> root =
      waited_for.ok() ? restore(true, OutliveParent) : Result<RestoredRoot>(waited_for.error());
  Tell(report.get(), root);
  _exit(root.ok() ? 0 : kFailed);
}

sigset_t PassedOn() {
  sigset_t signals;
  sigemptyset(&signals);
  for (int signal : kPassedOn) sigaddset(&signals, signal);
  return signals;
}

std::atomic<pid_t> passed_to = 0;

void PassOn(int signal, siginfo_t* info, void*) {
  pid_t program = passed_to;
  // A terminal sends these to its whole group in front.
  bool has_it = (signal == SIGINT || signal == SIGQUIT) && info->si_code == SI_KERNEL &&
                getpgid(program) == getpgrp();
  if (!has_it) kill(program, signal);
}

// Of its own, since it has other pids to show.
Status MountProc() {
  if (unshare(CLONE_NEWNS) != 0) return ErrnoError("can't make a mount namespace");
  if (mount("none", "/", nullptr, MS_REC | MS_SLAVE, nullptr) != 0)
    return ErrnoError("can't keep mounts to itself");
  if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr) != 0)
    return ErrnoError("can't mount /proc for other pids; `--pid new` needs no other");
  return {};
}

// With that terminal; -1: without one.
Status LeadSession(int master) {
  if (setsid() < 0) return ErrnoError("can't lead a session");
  if (master < 0) return {};
  Fd slave(ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC));
  if (!slave) return ErrnoError("can't open a terminal");
  if (ioctl(slave.get(), TIOCSCTTY, 0) != 0) return ErrnoError("can't have a terminal");
  // Whoever is in front of it, it may say who is.
  signal(SIGTTOU, SIG_IGN);
  return {};
}

Status Prepare(const FirstOptions& options, int report) {
  TRY(EndWithParent(report));
  // Without a pid namespace, orphans would go elsewhere.
  if (!options.new_pids) prctl(PR_SET_CHILD_SUBREAPER, 1);
  if (options.new_pids) TRY(MountProc());
  bool leads = options.terminal >= 0 && options.elders.session == 0;
  return leads ? LeadSession(options.terminal) : Status();
}

// Reaps what ends, and tells how the root did; until nothing is left, or `all_done`.
void AwaitTree(pid_t root, int report, int told, const std::function<bool()>& all_done) {
  LetGoOfFiles({report, told});
  while (!all_done()) {
    auto stop = ptracer::WaitAny();
    if (!stop.ok()) return;  // the last has ended
    if (!*stop || !(*stop)->status.gone()) continue;
    int status = (*stop)->status.raw();
    if ((*stop)->pid == root) (void)WriteAll(report, &status, sizeof status);
  }
}

[[noreturn]] void RestoreAsElder(const Elders& elders, const Fd& report, Fd& told,
                                 const RestoreFunction& restore, const Status& begun) {
  // What is restored may send signals to its parent before all is told.
  BeDeaf();
  Status able = begun.ok() ? EndWithParent(told.get()) : begun;
  bool for_parent = elders.parent == 0;
  char heard;
  auto outlive = [&] {
    OutliveParent();
    Report lets_go{.lets_go = true};
    if (WriteAll(told.get(), &lets_go, sizeof lets_go)) (void)!read(told.get(), &heard, 1);
  };
  Result<RestoredRoot> root =
      able.ok() ? restore(for_parent, outlive) : Result<RestoredRoot>(able.error());
  Tell(told.get(), root);
  if (!root.ok()) _exit(kFailed);
  // How the root ends is told after where it is.
  (void)!read(told.get(), &heard, 1);
  AwaitTree(for_parent ? 0 : root->pid, report.get(), told.get(), [] { return false; });
  if (!elders.restorer_leads()) _exit(0);
  told.Reset();
  WakeParent();
  StandIn();
}

void EndChildren() {
  // Theirs are ours then.
  for (;;) {
    std::vector<pid_t> children = ChildrenOf(getpid(), getpid());
    if (children.empty()) return;
    for (pid_t child : children) ptracer::KillAndReap(child);
  }
}

// In the first process: those who stand in restore the tree. Who does is told by `told` that it has
// been passed on where the root is.
Result<RestoredRoot> RestoreByElders(const FirstOptions& options, const Fd& report, Fd& told,
                                     const RestoreFunction& restore) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
    return ErrnoError("can't make a pair of sockets");
  told.Reset(ends[0]);
  Fd tells(ends[1]);
  ElderWork work{.lead = [&] { return LeadSession(options.terminal); },
                 .restore =
                     [&](const Status& begun) {
                       told.Reset();
                       RestoreAsElder(options.elders, report, tells, restore, begun);
                     }};
  TRY(StartElders(options.elders, work));
  tells.Reset();
  Result<RestoredRoot> root = RootFrom(told);
  if (!root.ok()) EndChildren();
  return root;
}

// With the first process of a pid namespace all others end: also who has entered it and isn't done,
// such as a command that has taken a checkpoint and killed the tree.
void AwaitVisitors() {
  constexpr int64_t kBound = 60'000;  // ms
  int64_t deadline = MonotonicMilliseconds() + kBound;
  // To all but itself, that is to nobody outside.
  auto others = [] { return kill(-1, 0) == 0 || errno == EPERM; };
  while (others() && MonotonicMilliseconds() < deadline) usleep(1'000);
}

[[noreturn]] void BeFirst(const FirstOptions& options, const Fd& report,
                          const RestoreFunction& restore) {
  HoldSignals();
  prctl(PR_SET_NAME, kFirstProcessName);
  Status prepared = Prepare(options, report.get());
  bool by_elders = options.elders.any();
  Fd told;
  auto all_of_it = [&]() -> Result<RestoredRoot> {
    TRY(std::move(prepared));
    return by_elders ? RestoreByElders(options, report, told, restore)
                     : restore(false, OutliveParent);
  };
  Result<RestoredRoot> root = all_of_it();
  // Whoever takes a checkpoint of the tree asks which namespaces this one is in.
  prctl(PR_SET_DUMPABLE, 1);
  Tell(report.get(), root);
  if (!root.ok()) _exit(kFailed);
  if (by_elders) (void)WriteAll(told.get(), "", 1);
  PassSignalsOn(root->pid);
  AwaitTree(root->pid, report.get(), told.get(), [&] {
    // Who restored it has nothing to tell any more.
    return by_elders && HasHungUp(told.get()) && OnlyEldersAreLeft(options.elders);
  });
  EndChildren();
  if (options.new_pids) AwaitVisitors();
  _exit(0);
}

// --- Outside ---

// The process below `first` that is `pid` in its own pid namespace; 0: none is.
pid_t SeenFromHere(pid_t first, pid_t pid) {
  return FindDescendant(first, [pid](pid_t candidate) {
    std::vector<uint64_t> pids = PidsInNamespaces(candidate);
    return !pids.empty() && pids.back() == static_cast<uint64_t>(pid);
  });
}

// A process that does `work`, which doesn't return, and tells of it to `told`.
Result<pid_t> Start(Fd& told, const std::function<void(const Fd& report)>& work) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return ErrnoError("can't make a pipe");
  told.Reset(ends[0]);
  Fd report(ends[1]);
  pid_t child = fork();
  if (child < 0) return ErrnoError("can't fork");
  if (child == 0) {
    told.Reset();
    signal(SIGPIPE, SIG_IGN);
    work(report);
  }
  return child;
}

}  // namespace

void HoldSignals() {
  sigset_t signals = PassedOn();
  sigprocmask(SIG_BLOCK, &signals, nullptr);
}

void PassSignalsOn(pid_t program) {
  passed_to = program;
  struct sigaction action {};
  action.sa_sigaction = PassOn;
  action.sa_flags = SA_SIGINFO | SA_RESTART;
  for (int signal : kPassedOn) sigaction(signal, &action, nullptr);
  sigset_t signals = PassedOn();
  sigprocmask(SIG_UNBLOCK, &signals, nullptr);
}

void OutliveParent() { prctl(PR_SET_PDEATHSIG, 0); }

bool MayChoosePids() {
  // Its own is taken, and the kernel says that only to who may choose.
  pid_t child = ForkAs(getpid());
  if (child == 0) _exit(0);
  return child < 0 && errno == EEXIST;
}

Status EnterUserNamespace() {
  uid_t user = geteuid();
  gid_t group = getegid();
  if (unshare(CLONE_NEWUSER) != 0) {
    return ErrnoError(
        "an ordinary user gets processes back as they were in a user namespace, and can't make one "
        "(CAP_CHECKPOINT_RESTORE does without)");
  }
  TRY(WriteWhole("/proc/self/setgroups", "deny"));
  TRY(WriteWhole("/proc/self/uid_map", fmt::format("{} {} 1", user, user)));
  TRY(WriteWhole("/proc/self/gid_map", fmt::format("{} {} 1", group, group)));
  // An exec would drop all capabilities but ambient ones, which are permitted and inheritable.
  struct {
    __user_cap_header_struct header;
    __user_cap_data_struct data[2];
  } all{};
  all.header.version = _LINUX_CAPABILITY_VERSION_3;
  if (Capget(&all.header, all.data) != 0) return ErrnoError("can't read capabilities");
  for (__user_cap_data_struct& half : all.data) half.inheritable = half.permitted;
  if (Capset(&all.header, all.data) != 0) return ErrnoError("can't set capabilities");
  for (unsigned long capability = 0; capability < 64; ++capability) {
    if ((all.data[capability / 32].permitted >> (capability % 32) & 1) == 0) continue;
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0) != 0)
      return ErrnoError("can't keep capability {}", capability);
  }
  return {};
}

Result<RestoredTree> RestoreUnderFirst(const FirstOptions& options,
                                       const RestoreFunction& restore) {
  if (options.new_pids && unshare(CLONE_NEWPID) != 0)
    return ErrnoError("can't make a pid namespace");
  RestoredTree tree;
  tree.first =
      TRY(Start(tree.ending, [&](const Fd& report) { BeFirst(options, report, restore); }));
  Result<RestoredRoot> root = RootFrom(tree.ending);
  if (!root.ok()) {
    ptracer::KillAndReap(tree.first);
    return root.error();
  }
  tree.root = SeenFromHere(tree.first, root->pid);
  return tree;
}

Result<RestoredTree> RestoreAside(const RestoreFunction& restore) {
  Fd told;
  pid_t child = TRY(Start(told, [&](const Fd& report) { RestoreOnly(report, restore); }));
  Result<RestoredRoot> root = RootFrom(told);
  if (!root.ok()) {
    ptracer::KillAndReap(child);
    // What had begun as the root would hold its pid until this ends.
    ptracer::ReapAll(kReapBound);
    return root.error();
  }
  RestoredTree tree{.root = root->pid};
  // It holds what the program has open.
  TRY(ptracer::WaitOne(child, -1));
  if (root->made_by != 0) TRY(ptracer::WaitOne(root->made_by, -1));
  return tree;
}

Result<int> AwaitEnd(RestoredTree& tree) {
  if (tree.first == 0) return TRY(ptracer::WaitOne(tree.root, -1))->raw();
  int status = 0;
  if (!ReadAll(tree.ending.get(), &status, sizeof status))
    return Error(0, "what it was restored in has ended", tree.first);
  return status;
}

}  // namespace retake
