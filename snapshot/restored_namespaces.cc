#include "snapshot/restored_namespaces.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/syscall.h"
#include "snapshot/first_process.h"
#include "tracee/proc_files.h"
#include "tracee/ptrace.h"

namespace retake {
namespace {

// The first process of the pid namespace that a process is in; 0: it can't be seen.
pid_t FirstOfNamespace(pid_t pid, size_t depth) {
  while (pid > 0) {
    auto status = ProcStatus::Read(pid);
    if (!status.ok()) return 0;
    std::vector<uint64_t> pids = status->Numbers("NSpid");
    if (pids.size() != depth) return 0;
    if (pids.back() == 1) return pid;
    pid = static_cast<pid_t>(status->Number("PPid"));
  }
  return 0;
}

// Whether that is a first process of ours.
bool IsOurs(pid_t first) {
  auto name = ReadProcFile(first, "comm");
  struct stat own {};
  struct stat its {};
  return name.ok() && *name == std::string(kFirstProcessName) + "\n" &&
         stat("/proc/self/exe", &own) == 0 &&
         stat(fmt::format("/proc/{}/exe", first).c_str(), &its) == 0 && own.st_dev == its.st_dev &&
         own.st_ino == its.st_ino;
}

bool Differs(pid_t pid, const char* name) {
  std::string link = fmt::format("ns/{}", name);
  return ReadProcLink(pid, link) != ReadProcLink(getpid(), link);
}

Status Enter(pid_t pid) {
  constexpr std::pair<const char*, int> kMade[] = {{"user", CLONE_NEWUSER},
                                                   {"mnt", CLONE_NEWNS},
                                                   {"pid", CLONE_NEWPID},
                                                   {"time", CLONE_NEWTIME}};
  int wanted = 0;
  for (auto [name, flag] : kMade) wanted |= Differs(pid, name) ? flag : 0;
  Fd directory(open(".", O_PATH | O_DIRECTORY | O_CLOEXEC));
  Fd process(PidfdOpen(pid));
  if (!process || setns(process.get(), wanted) != 0)
    return Error(errno, "can't enter the namespaces that it was restored in", pid);
  if (directory && fchdir(directory.get()) != 0) return ErrnoError("can't stay in its directory");
  // Or its own files in /proc wouldn't be for it.
  prctl(PR_SET_DUMPABLE, 1);
  return {};
}

}  // namespace

std::optional<RestoredNamespaces> RestoredNamespacesOf(pid_t pid) {
  std::vector<uint64_t> own = PidsInNamespaces(getpid()), its = PidsInNamespaces(pid);
  if (its.size() <= own.size()) return std::nullopt;
  pid_t first = FirstOfNamespace(pid, its.size());
  if (first == 0 || !IsOurs(first)) return std::nullopt;
  return RestoredNamespaces{first, static_cast<pid_t>(its.back())};
}

Result<int> RunInside(const RestoredNamespaces& namespaces, const std::function<int()>& work) {
  TRY(Enter(namespaces.first));
  // A namespace of pids is for children only.
  pid_t child = fork();
  if (child < 0) return ErrnoError("can't fork");
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    int status = work();
    fflush(nullptr);
    _exit(status);
  }
  auto ended = TRY(ptracer::WaitOne(child, -1));
  if (ended->kind() == StopKind::kExited) return WEXITSTATUS(ended->raw());
  return Error(0,
               fmt::format("signal {} ended the process that entered the namespaces that it was "
                           "restored in",
                           ended->signal()),
               namespaces.first);
}

}  // namespace retake
