// watch_opens: runs a replay under a seccomp user-notification filter of its own, in which every
// call of every process waits for this program, which logs it, judges it and lets it go on.
//
//   watch_opens [--allow PREFIX]... [--log FILE] -- retake replay TRACE
//
// Two rules (DESIGN 6). No process may open, connect to or execute anything but the trace, retake's
// own files and the system's libraries: whatever names a path must be below an allowed prefix. And
// once a process has a filter of its own beside ours (it is a husk, ready to run the program), its
// calls must be those that replay executes, and come from the stub page: a suppressed call never
// reaches seccomp, so any other call seen here is one that a replay really made for the program.
//
// Notifications are answered with CONTINUE, which is sound here only because nothing is being
// protected: this is a witness. Exit status: the command's; 1 if a rule was broken, with a line on
// stderr for each breach.
//
// Kernel: seccomp_unotify(2); the listener's descriptor is fetched from the child with pidfd_getfd
// (5.6); Seccomp_filters in /proc/PID/status (5.9).
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <cstdlib>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "arch/arch.h"
#include "base/fd.h"
#include "base/result.h"
#include "stub/layout.h"

namespace retake {
namespace {

// Calls that name a path, and which argument does; -1: an address of another kind (never allowed).
struct PathCall {
  Sys sys;
  int path_argument;
  int dirfd_argument;  // -1: the working directory
};
constexpr PathCall kPathCalls[] = {
    {Sys::open, 0, -1},    {Sys::openat, 1, 0},    {Sys::openat2, 1, 0},   {Sys::creat, 0, -1},
    {Sys::execve, 0, -1},  {Sys::execveat, 1, 0},  {Sys::unlink, 0, -1},   {Sys::unlinkat, 1, 0},
    {Sys::mkdir, 0, -1},   {Sys::mkdirat, 1, 0},   {Sys::truncate, 0, -1}, {Sys::chmod, 0, -1},
    {Sys::fchmodat, 1, 0}, {Sys::rename, 0, -1},   {Sys::renameat, 1, 0},  {Sys::renameat2, 1, 0},
    {Sys::symlink, 1, -1}, {Sys::symlinkat, 2, 1}, {Sys::link, 1, -1},     {Sys::linkat, 3, 2},
    {Sys::mknod, 0, -1},   {Sys::mknodat, 1, 0},
};

// Calls that no part of a replay may make.
constexpr Sys kNever[] = {Sys::socket, Sys::connect,     Sys::bind,          Sys::listen,
                          Sys::accept, Sys::accept4,     Sys::sendto,        Sys::mount,
                          Sys::shmget, Sys::msgget,      Sys::semget,        Sys::mq_open,
                          Sys::bpf,    Sys::init_module, Sys::io_uring_setup};

// What a husk with its filter in place may do, from the stub page (DESIGN 6).
constexpr Sys kHuskCalls[] = {
    Sys::mmap,       Sys::munmap,     Sys::mremap,    Sys::mprotect,
    Sys::madvise,    Sys::pkey_alloc, Sys::pkey_free, Sys::pkey_mprotect,
    Sys::arch_prctl, Sys::modify_ldt, Sys::clone,     Sys::exit_group,
};

template <typename Table>
bool Contains(const Table& table, Sys sys) {
  return std::find(std::begin(table), std::end(table), sys) != std::end(table);
}

// The number of seccomp filters on a task, and whether it is traced.
struct TaskState {
  int filters = 0;
  int tracer = 0;
};

TaskState StateOf(pid_t pid) {
  TaskState state;
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(status, line);) {
    if (line.rfind("Seccomp_filters:", 0) == 0) state.filters = atoi(line.c_str() + 16);
    if (line.rfind("TracerPid:", 0) == 0) state.tracer = atoi(line.c_str() + 10);
  }
  return state;
}

// A string of another process, page by page, so that one at the end of a mapping is read whole.
std::string StringAt(pid_t pid, uint64_t address) {
  std::string text;
  while (text.size() < PATH_MAX) {
    char buffer[4096];
    size_t size = 4096 - (address & 4095);
    iovec here = {buffer, size}, there = {reinterpret_cast<void*>(address), size};
    ssize_t got = process_vm_readv(pid, &here, 1, &there, 1, 0);
    if (got <= 0) return text + "<unreadable>";
    if (const void* end = memchr(buffer, 0, got)) {
      return text.append(buffer, static_cast<const char*>(end) - buffer);
    }
    text.append(buffer, got);
    address += got;
  }
  return text;
}

std::string LinkOf(const std::string& path) {
  char target[PATH_MAX];
  ssize_t size = readlink(path.c_str(), target, sizeof(target));
  return size < 0 ? "?" : std::string(target, size);
}

// An absolute path without "." and ".." parts, links left alone.
std::string Absolute(pid_t pid, int dirfd, std::string path) {
  std::string proc = "/proc/" + std::to_string(pid);
  if (path.rfind("/proc/self/", 0) == 0) path = proc + path.substr(10);
  if (path.empty() || path[0] != '/') {
    std::string base =
        dirfd == AT_FDCWD ? LinkOf(proc + "/cwd") : LinkOf(proc + "/fd/" + std::to_string(dirfd));
    path = path.empty() ? base : base + "/" + path;
  }
  std::vector<std::string> parts;
  size_t at = 0;
  while (at < path.size()) {
    size_t end = std::min(path.find('/', at), path.size());
    std::string part = path.substr(at, end - at);
    at = end + 1;
    if (part.empty() || part == ".") continue;
    if (part == "..") {
      if (!parts.empty()) parts.pop_back();
    } else {
      parts.push_back(part);
    }
  }
  std::string out;
  for (const std::string& part : parts) out += "/" + part;
  return out.empty() ? "/" : out;
}

class Watch {
 public:
  Watch(std::vector<std::string> allowed, FILE* log) : allowed_(std::move(allowed)), log_(log) {}

  void Judge(const seccomp_notif& seen) {
    const auto pid = static_cast<pid_t>(seen.pid);
    const ArchDescription& arch = HostArch();
    Sys sys = arch.SysOf(seen.data.nr);
    TaskState state = StateOf(pid);
    ++calls_;
    std::string detail;
    for (const PathCall& row : kPathCalls) {
      if (row.sys != sys) continue;
      int dirfd =
          row.dirfd_argument < 0 ? AT_FDCWD : static_cast<int>(seen.data.args[row.dirfd_argument]);
      detail = Absolute(pid, dirfd, StringAt(pid, seen.data.args[row.path_argument]));
      if (!Allowed(detail)) Breach(pid, sys, "names what is not the replay's: " + detail);
    }
    if (Contains(kNever, sys)) Breach(pid, sys, "a call that no replay makes");
    // Our own filter is one; a second is the husk's.
    bool husk = state.tracer != 0 && state.filters >= 2;
    if (husk) {
      ++husk_calls_;
      if (!Contains(kHuskCalls, sys)) {
        Breach(pid, sys, "a husk's call outside the list");
      } else if (!TouchesStub(seen.data.instruction_pointer, 1)) {
        Breach(pid, sys, "a husk's call from outside the stub page");
      }
    }
    if (log_ != nullptr) {
      fprintf(log_, "%d%s %s %s\n", pid,
              husk           ? " husk"
              : state.tracer ? " traced"
                             : "",
              std::string(SysName(sys)).c_str(), detail.c_str());
    }
  }

  void Breach(pid_t pid, Sys sys, const std::string& what) {
    ++breaches_;
    fprintf(stderr, "watch_opens: pid %d, %s: %s\n", pid, std::string(SysName(sys)).c_str(),
            what.c_str());
  }

  bool Allowed(const std::string& path) const {
    return std::any_of(allowed_.begin(), allowed_.end(), [&](const std::string& prefix) {
      return path == prefix || path.rfind(prefix.back() == '/' ? prefix : prefix + "/", 0) == 0;
    });
  }

  int calls() const { return calls_; }
  int husk_calls() const { return husk_calls_; }
  int breaches() const { return breaches_; }

 private:
  std::vector<std::string> allowed_;
  FILE* log_;
  int calls_ = 0;
  int husk_calls_ = 0;
  int breaches_ = 0;
};

// Runs in the child: the filter that notifies of every call, its listener's number told through
// shared memory, which takes no call.
[[noreturn]] void RunWatched(char** argv, volatile int* listener_number) {
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  sock_filter code[] = {BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF)};
  sock_fprog program = {1, code};
  long fd =
      syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
  *listener_number = fd < 0 ? -errno : static_cast<int>(fd);
  if (fd < 0) _exit(125);
  execv(argv[0], argv);
  _exit(127);
}

Result<int> Run(char** argv, Watch& watch) {
  auto* number = static_cast<volatile int*>(
      mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  if (number == MAP_FAILED) return ErrnoError("mmap");
  *number = 0;
  pid_t child = fork();
  if (child < 0) return ErrnoError("fork");
  if (child == 0) RunWatched(argv, number);
  Fd pidfd(static_cast<int>(syscall(SYS_pidfd_open, child, 0)));
  if (!pidfd) return ErrnoError("pidfd_open");
  while (*number == 0) sched_yield();
  if (*number < 0) return Error(-*number, "installing the filter");
  Fd listener(static_cast<int>(syscall(SYS_pidfd_getfd, pidfd.get(), *number, 0)));
  if (!listener) {
    Error error = ErrnoError("pidfd_getfd");
    kill(child, SIGKILL);
    return error;
  }
  for (;;) {
    pollfd ready = {listener.get(), POLLIN, 0};
    int count = poll(&ready, 1, 60'000);
    if (count < 0 && errno == EINTR) continue;
    if (count == 0) {
      kill(child, SIGKILL);
      return MakeError("nothing happened for 60 seconds");
    }
    if ((ready.revents & POLLIN) == 0) break;  // POLLHUP: no process is left under the filter
    seccomp_notif seen = {};
    if (ioctl(listener.get(), SECCOMP_IOCTL_NOTIF_RECV, &seen) != 0) {
      if (errno == ENOENT || errno == EINTR) continue;  // it died, or was interrupted
      return ErrnoError("NOTIF_RECV");
    }
    watch.Judge(seen);
    seccomp_notif_resp answer = {};
    answer.id = seen.id;
    answer.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
    if (ioctl(listener.get(), SECCOMP_IOCTL_NOTIF_SEND, &answer) != 0 && errno != ENOENT) {
      return ErrnoError("NOTIF_SEND");
    }
  }
  int status = 0;
  if (waitpid(child, &status, 0) != child) return ErrnoError("waitpid");
  return status;
}

}  // namespace
}  // namespace retake

int main(int argc, char** argv) {
  std::vector<std::string> allowed;
  FILE* log = nullptr;
  int at = 1;
  for (; at + 1 < argc && std::string(argv[at]) != "--"; at += 2) {
    std::string option = argv[at];
    if (option == "--allow") {
      allowed.emplace_back(argv[at + 1]);
    } else if (option == "--log") {
      log = fopen(argv[at + 1], "we");
    } else {
      break;
    }
  }
  if (at + 1 >= argc || std::string(argv[at]) != "--") {
    fprintf(stderr, "usage: watch_opens [--allow PREFIX]... [--log FILE] -- COMMAND ARGUMENT...\n");
    return 2;
  }
  retake::Watch watch(std::move(allowed), log);
  retake::Result<int> status = retake::Run(argv + at + 1, watch);
  if (log != nullptr) fclose(log);
  if (!status.ok()) {
    fprintf(stderr, "watch_opens: %s\n", status.error().Message().c_str());
    return 125;
  }
  fprintf(stderr, "watch_opens: %d calls, %d of husks, %d breaches\n", watch.calls(),
          watch.husk_calls(), watch.breaches());
  if (watch.breaches() > 0) return 1;
  if (WIFSIGNALED(*status)) return 128 + WTERMSIG(*status);
  return WEXITSTATUS(*status);
}
