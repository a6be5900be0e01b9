#include "supervisor/launch.h"

#include <elf.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "arch/arch.h"
#include "base/fd.h"
#include "supervisor/filter.h"
#include "supervisor/own_traps.h"

extern char** environ;

namespace retake {
namespace {

constexpr int kStartBound = 20'000;  // ms

// What supervisor and program say to each other over the socket pair.
struct Hello {
  pid_t supervisor;
};
struct Ready {
  bool ok;
  char why[500];
};

int Complain(int status, const std::string& why) {
  std::string line = fmt::format("retake: {}\n", why);
  (void)!write(2, line.data(), line.size());
  return status;
}

// A program that can be started, or why not.
struct Found {
  int status = 0;  // 0, or the exit status to give
  std::string path;
  std::string why;
  bool set_id = false;
  bool is_file = false;  // there is a file of that name, whatever may be done with it
};

Found Check(const std::string& path) {
  struct stat status {};
  if (stat(path.c_str(), &status) != 0) {
    int code = errno;
    bool absent = code == ENOENT || code == ENOTDIR;
    return {absent ? 127 : 126, path, fmt::format("can't run {}: {}", path, strerror(code))};
  }
  if (S_ISDIR(status.st_mode))
    return {126, path, fmt::format("can't run {}: {}", path, strerror(EISDIR))};
  Found found{126, path, {}};
  found.is_file = true;
  if (access(path.c_str(), X_OK) != 0) {
    found.why = fmt::format("can't run {}: {}", path, strerror(errno));
    return found;
  }
  Fd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) {
    found.why =
        fmt::format("can't record {}: it may be executed but not read ({})", path, strerror(errno));
    return found;
  }
  Elf64_Ehdr header{};
  ssize_t got = read(file.get(), &header, sizeof header);
  if (got >= EI_NIDENT && memcmp(header.e_ident, ELFMAG, SELFMAG) == 0 &&
      (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_machine != HostArch().elf_machine)) {
    found.why =
        fmt::format("can't record {}: it is not a 64-bit {} program", path, HostArch().name);
    return found;
  }
  found.status = 0;
  bool set_uid = (status.st_mode & S_ISUID) != 0 && status.st_uid != geteuid();
  bool set_gid = (status.st_mode & S_ISGID) != 0 && status.st_gid != getegid();
  found.set_id = set_uid || set_gid;
  return found;
}

// As a shell looks a name up: the first candidate in PATH that can be executed, else the first file
// of that name. A directory that can't be searched (someone else's) says nothing of the program.
Found Find(const std::string& name) {
  if (name.empty()) return {127, name, "can't run '': No such file or directory"};
  if (name.find('/') != std::string::npos) return Check(name);
  const char* path = getenv("PATH");
  std::string list = path != nullptr ? path : "/bin:/usr/bin";
  Found refused;
  for (size_t at = 0; at <= list.size();) {
    size_t end = std::min(list.find(':', at), list.size());
    std::string directory = list.substr(at, end - at);
    at = end + 1;
    Found found = Check(directory.empty() ? name : directory + "/" + name);
    if (found.status == 0) return found;
    if (found.is_file && refused.status == 0) refused = found;
  }
  if (refused.status != 0) return refused;
  return {127, name, fmt::format("can't run {}: not found in PATH", name)};
}

bool Receive(int socket, void* data, size_t size, int milliseconds) {
  pollfd wait{socket, POLLIN, 0};
  int got = 0;
  do {
    got = poll(&wait, 1, milliseconds);
  } while (got < 0 && errno == EINTR);
  return got == 1 && recv(socket, data, size, 0) == static_cast<ssize_t>(size);
}

// Everything the supervisor inherited but doesn't need, above stderr: pipes whose other end waits
// for them to close.
void CloseInherited(int keep) {
  if (keep > 3) close_range(3, static_cast<unsigned>(keep) - 1, 0);
  close_range(static_cast<unsigned>(std::max(keep, 2)) + 1, ~0U, 0);
}

[[noreturn]] void RunSupervisor(int socket, pid_t program, LaunchedProgram launched,
                                const std::function<Status(const LaunchedProgram&)>& prepare,
                                const std::function<void(const LaunchedProgram&)>& supervise) {
  setsid();
  CloseInherited(socket);
  for (int signal :
       {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGPIPE, SIGTSTP, SIGTTIN, SIGTTOU, SIGXFSZ}) {
    ::signal(signal, SIG_IGN);
  }
  // Held signals tick (supervisor_signals.cc): the handler's only purpose is to end a wait.
  struct sigaction tick {};
  tick.sa_handler = [](int) {};
  sigaction(SIGALRM, &tick, nullptr);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);

  Hello hello{getpid()};
  char go = 0;
  Ready ready{};
  if (send(socket, &hello, sizeof hello, MSG_NOSIGNAL) < 0 || !Receive(socket, &go, 1, kStartBound))
    _exit(125);
  launched.pid = program;
  // Threads that `prepare` starts are free to run elsewhere; this one is pinned after it.
  Status status = prepare(launched);
  if (status.ok() && launched.cpu >= 0) {
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(static_cast<size_t>(launched.cpu), &one);
    (void)sched_setaffinity(0, sizeof one, &one);
  }
  ready.ok = status.ok();
  if (!status.ok()) {
    std::string why = status.error().Message();
    snprintf(ready.why, sizeof ready.why, "%s", why.c_str());
  }
  if (send(socket, &ready, sizeof ready, MSG_NOSIGNAL) < 0 || !ready.ok) _exit(125);
  close(socket);
  supervise(launched);
  _exit(0);
}

}  // namespace

int LaunchProgram(const Launch& launch,
                  const std::function<Status(const LaunchedProgram&)>& prepare,
                  const std::function<void(const LaunchedProgram&)>& supervise) {
  Found program = Find(launch.command.front());
  if (program.status != 0) return Complain(program.status, program.why);
  if (program.set_id) {
    Complain(0, fmt::format("warning: {} is set-uid or set-gid; it runs without that privilege",
                            program.path));
  }

  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
    return Complain(125, fmt::format("can't make a socket pair: {}", strerror(errno)));
  }
  Fd mine(ends[0]);
  Fd theirs(ends[1]);
  LaunchedProgram launched;
  CPU_ZERO(&launched.affinity);
  if (sched_getaffinity(0, sizeof launched.affinity, &launched.affinity) == 0) {
    // The scheduler has just put us on a CPU that it finds idle enough.
    launched.cpu = sched_getcpu();
  }

  launched.filtered = prctl(PR_GET_SECCOMP, 0, 0, 0, 0) == SECCOMP_MODE_FILTER;
  launched.no_new_privs = prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1;
  // Known to both processes from here on.
  (void)TimestampTrapWorks();
  (void)CpuidTrapWorks();
  pid_t self = getpid();
  // What is forked twice is copied once: the one in the middle needs no memory of its own.
  pid_t middle = vfork();
  if (middle < 0) return Complain(125, fmt::format("can't fork: {}", strerror(errno)));
  if (middle == 0) {
    // Whose memory it borrows sleeps meanwhile.
    pid_t supervisor = fork();  // NOLINT(clang-analyzer-unix.Vfork)
    if (supervisor != 0) _exit(supervisor < 0 ? 1 : 0);
    mine.Reset();
    RunSupervisor(theirs.get(), self, launched, prepare, supervise);
  }
  theirs.Reset();
  int middle_status = 0;
  while (waitpid(middle, &middle_status, 0) < 0 && errno == EINTR) {
  }
  Hello hello{};
  Ready ready{};
  if (!Receive(mine.get(), &hello, sizeof hello, kStartBound))
    return Complain(125, "the supervisor didn't start");
  // Where Yama restricts tracing to descendants, this makes an exception (EINVAL elsewhere).
  prctl(PR_SET_PTRACER, hello.supervisor, 0, 0, 0);
  char go = 'g';
  if (send(mine.get(), &go, 1, MSG_NOSIGNAL) != 1 ||
      !Receive(mine.get(), &ready, sizeof ready, kStartBound)) {
    return Complain(125, "the supervisor died while it started");
  }
  if (!ready.ok) return Complain(125, ready.why);
  prctl(PR_SET_PTRACER, 0, 0, 0, 0);
  if (launched.cpu >= 0) {
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(static_cast<size_t>(launched.cpu), &one);
    (void)sched_setaffinity(0, sizeof one, &one);
  }

  std::vector<char*> arguments;
  for (const std::string& word : launch.command)
    arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  if (auto trap = machine::TimestampTrap();
      trap && trap->sys == Sys::prctl && TimestampTrapWorks()) {
    prctl(static_cast<int>(trap->args[0]), trap->args[1], 0, 0, 0);
  }
  Result<Fd> installed =
      InstallFilter(launched.filtered ? launch.filter_when_filtered : launch.filter,
                    launch.filter_flags, /*want_listener=*/false);
  if (!installed.ok()) return Complain(125, installed.error().Message());
  execve(program.path.c_str(), arguments.data(), environ);
  int code = errno;
  if (code == ENOEXEC) {
    // A script without a first line that names its interpreter: as execvp does.
    char shell[] = "/bin/sh";
    arguments.insert(arguments.begin(), shell);
    arguments[1] = program.path.data();
    execve(shell, arguments.data(), environ);
    code = errno;
  }
  return Complain(code == ENOENT ? 127 : 126,
                  fmt::format("can't run {}: {}", program.path, strerror(code)));
}

}  // namespace retake
