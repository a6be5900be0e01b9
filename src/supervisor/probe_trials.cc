// The trials themselves: each does for real what retake would do, on a small scale.
#include "supervisor/probe_trials.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/fs.h>
#include <linux/hw_breakpoint.h>
#include <linux/perf_event.h>
#include <linux/seccomp.h>
#include <linux/userfaultfd.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <fstream>

#include "arch/arch.h"
#include "base/fd.h"
#include "stub/husk.h"
#include "stub/layout.h"
#include "supervisor/filter.h"
#include "supervisor/own_traps.h"
#include "tracee/own_pages.h"
#include "tracee/ptrace.h"

// Newer than the headers of Debian 12; include/uapi/linux of Linux 6.18.
#ifndef SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP
#define SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP (1UL << 0)
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS SECCOMP_IOW(4, __u64)
#endif

namespace retake {
namespace {

// include/uapi/linux/userfaultfd.h, Linux 6.7: UFFD_FEATURE_WP_ASYNC.
constexpr uint64_t kUffdWriteProtectAsync = uint64_t{1} << 15;

constexpr int kWaitMilliseconds = 2000;

// A call by its name in the table: the kernel answers ENOSYS where the architecture hasn't got it.
template <typename... Arguments>
long Kernel(Sys sys, Arguments... arguments) {
  return syscall(HostArch().NumberOf(sys), arguments...);
}

// A process that waits to be looked at, and is gone at the end of its scope.
class Subject {
 public:
  Subject() {
    pid_t parent = getpid();
    pid_ = fork();
    if (pid_ != 0) return;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    // The pipe that the result goes through must close when the trial ends, however it does.
    close_range(3, ~0U, 0);
    while (getppid() == parent) pause();
    _exit(0);
  }
  ~Subject() {
    if (pid_ > 0) kill(pid_, SIGKILL);
  }
  Subject(const Subject&) = delete;
  Subject& operator=(const Subject&) = delete;
  pid_t pid() const { return pid_; }

 private:
  pid_t pid_ = -1;
};

Trial FromError(const Error& error) { return Trial::Failed(error.code(), error.what()); }

const sock_filter kAllowAll[] = {{BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW}};

Trial TryFilterFlags(unsigned long flags) {
  sock_fprog program{};
  program.len = 1;
  program.filter = const_cast<sock_filter*>(kAllowAll);
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return Trial::Failed(errno, "no_new_privs");
  if (Kernel(Sys::seccomp, SECCOMP_SET_MODE_FILTER, flags, &program) < 0) {
    return Trial::Failed(errno, "seccomp");
  }
  return Trial::Worked();
}

// Of a setting that some hypervisors accept and then ignore.
Trial TrapTrial(const std::optional<machine::TrapSwitch>& trap, bool works) {
  if (works) return Trial::Worked();
  if (!trap) return Trial::Failed(0, "this architecture has nothing of the kind");
  if (Kernel(trap->sys, trap->args[0], trap->args[1]) != 0) {
    return Trial::Failed(errno, SysName(trap->sys));
  }
  return Trial::Failed(0, "accepted, but the instruction still runs");
}

// A fresh file in `directory`; its path in `path`.
Result<Fd> NewFile(const std::string& directory, std::string& path) {
  path = directory + "/.retake-probe-XXXXXX";
  Fd file(mkostemp(path.data(), O_CLOEXEC));
  if (!file) return ErrnoError("making a file in {}", directory);
  if (write(file.get(), "retake", 6) != 6) {
    Error error = ErrnoError("writing a file in {}", directory);
    unlink(path.c_str());
    return error;
  }
  return file;
}

// `directory`, or the nearest directory above it that exists: where it would be made.
std::string Existing(std::string directory) {
  struct stat status = {};
  while (directory.size() > 1 && stat(directory.c_str(), &status) != 0) {
    size_t slash = directory.rfind('/');
    directory = slash == std::string::npos ? "." : directory.substr(0, std::max<size_t>(slash, 1));
  }
  return directory;
}

Trial TryDirectory(const std::string& directory) {
  if (directory.empty()) return Trial::Failed(0, "no directory can be named: $HOME is not set");
  std::string path;
  Result<Fd> file = NewFile(Existing(directory), path);
  if (!file.ok()) return FromError(file.error());
  unlink(path.c_str());
  return Trial::Worked(directory);
}

// Gives `share` a file of the cache and a new name in the store.
template <typename Share>
Trial TrySharing(const ProbePlaces& places, Share share) {
  if (places.store.empty() || places.cache.empty()) return Trial::Failed(0, "no store or no cache");
  std::string from, to;
  Result<Fd> source = NewFile(Existing(places.cache), from);
  if (!source.ok()) return FromError(source.error());
  Result<Fd> target = NewFile(Existing(places.store), to);
  if (!target.ok()) {
    unlink(from.c_str());
    return FromError(target.error());
  }
  Trial trial = share(source->get(), from, target->get(), to);
  unlink(from.c_str());
  unlink(to.c_str());
  return trial;
}

}  // namespace

Trial TryNotTraced(const ProbePlaces&) {
  std::ifstream file(fmt::format("/proc/{}/status", getppid()));
  std::string line;
  while (std::getline(file, line)) {
    if (!line.starts_with("TracerPid:")) continue;
    int tracer = atoi(line.c_str() + strlen("TracerPid:"));
    if (tracer != 0) return Trial::Failed(0, fmt::format("process {} traces this one", tracer));
  }
  return Trial::Worked();
}

// As the recorder does it: a process that is no ancestor of the program attaches to it, with the
// program's permission.
Trial TryAttach(const ProbePlaces&) {
  pid_t program = getpid();
  int ends[2], go[2];
  if (pipe2(ends, O_CLOEXEC) != 0 || pipe2(go, O_CLOEXEC) != 0) {
    return Trial::Failed(errno, "making a pipe");
  }
  pid_t tracer = fork();
  if (tracer < 0) return Trial::Failed(errno, "starting a process");
  if (tracer == 0) {
    char byte;
    if (read(go[0], &byte, 1) != 1) _exit(1);
    Trial trial = Trial::Worked();
    if (Status seized = ptracer::Seize(program, PTRACE_O_TRACESYSGOOD); !seized.ok()) {
      trial = FromError(seized.error());
    } else if (Status stopped = ptracer::Interrupt(program); !stopped.ok()) {
      trial = FromError(stopped.error());
    } else if (auto stop = ptracer::WaitOne(program, kWaitMilliseconds);
               !stop.ok() || !stop->has_value()) {
      trial = Trial::Failed(0, "the program didn't stop");
    } else if (Registers registers; !ptracer::GetRegisters(program, registers).ok()) {
      trial = Trial::Failed(errno, "reading registers");
    }
    // Reported before the detach lets the reader go on.
    ssize_t wrote = write(ends[1], &trial, sizeof trial);
    (void)ptracer::Detach(program);
    _exit(wrote == sizeof trial ? 0 : 1);
  }
  // Where there is no yama this fails and isn't needed.
  prctl(PR_SET_PTRACER, tracer);
  if (write(go[1], "", 1) != 1) return Trial::Failed(errno, "writing to a pipe");
  close(ends[1]);
  Trial trial;
  if (read(ends[0], &trial, sizeof trial) != sizeof trial) {
    return Trial::Failed(0, "the tracer died");
  }
  return trial;
}

Trial TryEmulation(const ProbePlaces&) {
  Subject subject;
  if (Status seized = ptracer::Seize(subject.pid(), PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL);
      !seized.ok()) {
    return FromError(seized.error());
  }
  if (Status stopped = ptracer::Interrupt(subject.pid()); !stopped.ok()) {
    return FromError(stopped.error());
  }
  auto stop = ptracer::WaitOne(subject.pid(), kWaitMilliseconds);
  if (!stop.ok() || !stop->has_value()) return Trial::Failed(0, "the process didn't stop");
  if (Status resumed = ptracer::Resume(subject.pid(), ResumeKind::kEmulate); !resumed.ok()) {
    return FromError(resumed.error());
  }
  // It restarts pause(), and stops there.
  stop = ptracer::WaitOne(subject.pid(), kWaitMilliseconds);
  if (!stop.ok() || !stop->has_value()) return Trial::Failed(0, "no call stopped");
  return Trial::Worked();
}

Trial TryYama(const ProbePlaces&) {
  std::ifstream file("/proc/sys/kernel/yama/ptrace_scope");
  int scope = 0;
  if (!(file >> scope)) return Trial::Worked("this kernel has no yama");
  constexpr std::array<std::string_view, 4> kMeanings = {
      "0: any of one's own processes", "1: with the program's permission, which retake gives",
      "2: with CAP_SYS_PTRACE only", "3: nobody may trace"};
  std::string_view meaning = scope >= 0 && scope <= 3 ? kMeanings[scope] : "unknown";
  // Whether scope 2 forbids it here depends on capabilities: "ptrace attach" has tried.
  return scope == 3 ? Trial::Failed(0, meaning) : Trial::Worked(meaning);
}

Trial TryFilter(const ProbePlaces&) {
  uint32_t action = SECCOMP_RET_TRACE;
  if (Kernel(Sys::seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) != 0) {
    return Trial::Failed(errno, "SECCOMP_RET_TRACE");
  }
  return TryFilterFlags(0);
}

Trial TryNotification(const ProbePlaces&) {
  return TryFilterFlags(SECCOMP_FILTER_FLAG_NEW_LISTENER);
}

Trial TryNotifyKillable(const ProbePlaces&) {
  return TryFilterFlags(SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV);
}

Trial TryNotifySync(const ProbePlaces&) {
  Result<Fd> listener = InstallFilter(kAllowAll, 0, true);
  if (!listener.ok()) return FromError(listener.error());
  if (ioctl(listener->get(), SECCOMP_IOCTL_NOTIF_SET_FLAGS, SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP) !=
      0) {
    return Trial::Failed(errno, "SECCOMP_IOCTL_NOTIF_SET_FLAGS");
  }
  return Trial::Worked();
}

Trial TrySpecAllow(const ProbePlaces&) { return TryFilterFlags(SECCOMP_FILTER_FLAG_SPEC_ALLOW); }

Trial TryStubPage(const ProbePlaces&) {
  void* want = reinterpret_cast<void*>(kStubAddress);
  void* got = mmap(want, kStubEnd - kStubAddress, PROT_READ | PROT_EXEC,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
  if (got == MAP_FAILED) return Trial::Failed(errno, fmt::format("mapping {}", want));
  return Trial::Worked();
}

Trial TryProcessVm(const ProbePlaces&) {
  Subject subject;
  static const char kHere[] = "retake";
  char there[sizeof kHere] = {};
  struct iovec local = {there, sizeof there};
  struct iovec remote = {const_cast<char*>(kHere), sizeof kHere};
  if (process_vm_readv(subject.pid(), &local, 1, &remote, 1, 0) != sizeof kHere) {
    return Trial::Failed(errno, "process_vm_readv");
  }
  return Trial::Worked();
}

Trial TryPidfdGetfd(const ProbePlaces&) {
  Subject subject;
  Fd pidfd(static_cast<int>(Kernel(Sys::pidfd_open, subject.pid(), 0)));
  if (!pidfd) return Trial::Failed(errno, "pidfd_open");
  // The subject has inherited standard error, unless that is closed.
  Fd any(static_cast<int>(Kernel(Sys::pidfd_getfd, pidfd.get(), STDERR_FILENO, 0)));
  if (!any && errno != EBADF) return Trial::Failed(errno, "pidfd_getfd");
  return Trial::Worked();
}

Trial TryTcpPeekOffset(const ProbePlaces&) {
  Fd any(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!any) return Trial::Failed(errno, "socket");
  int offset = 0;
  if (setsockopt(any.get(), SOL_SOCKET, SO_PEEK_OFF, &offset, sizeof offset) != 0)
    return Trial::Failed(errno, "SO_PEEK_OFF");
  return Trial::Worked();
}

Trial TryTimestampTrap(const ProbePlaces&) {
  return TrapTrial(machine::TimestampTrap(), TimestampTrapWorks());
}

Trial TryCpuidTrap(const ProbePlaces&) {
  return TrapTrial(machine::CpuidTrap(true), CpuidTrapWorks());
}

Trial TryMemfd(const ProbePlaces&) {
  ByteSpan husk = HuskElf();
  Fd file(memfd_create("retake-probe", MFD_CLOEXEC));
  if (!file) return Trial::Failed(errno, "memfd_create");
  if (write(file.get(), husk.data(), husk.size()) != static_cast<ssize_t>(husk.size())) {
    return Trial::Failed(errno, "writing the memfd");
  }
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return Trial::Failed(errno, "making a pipe");
  Fd read_end(ends[0]), write_end(ends[1]);
  pid_t child = fork();
  if (child < 0) return Trial::Failed(errno, "starting a process");
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    char* const arguments[] = {nullptr};
    fexecve(file.get(), arguments, arguments);
    int code = errno;
    _exit(write(write_end.get(), &code, sizeof code) == sizeof code ? 1 : 2);
  }
  write_end.Reset();
  // A successful exec closes the pipe.
  int code = 0;
  ssize_t got = read(read_end.get(), &code, sizeof code);
  kill(child, SIGKILL);
  if (got != 0) return Trial::Failed(code, "executing it");
  return Trial::Worked();
}

Trial TryUserfaultfd(const ProbePlaces&) {
  Fd file(static_cast<int>(Kernel(Sys::userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY)));
  if (!file) return Trial::Failed(errno, "userfaultfd");
  struct uffdio_api api = {.api = UFFD_API, .features = kUffdWriteProtectAsync, .ioctls = 0};
  if (ioctl(file.get(), UFFDIO_API, &api) != 0) {
    return Trial::Failed(errno, "asynchronous write protection");
  }
  return Trial::Worked();
}

Trial TryPagemapScan(const ProbePlaces&) {
  Fd file(open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC));
  if (!file) return Trial::Failed(errno, "/proc/self/pagemap");
  auto here = reinterpret_cast<uintptr_t>(&file);
  auto page = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  PagemapRegion region = {};
  PagemapScan scan = {.size = sizeof scan,
                      .start = here & ~(page - 1),
                      .end = (here & ~(page - 1)) + page,
                      .vec = reinterpret_cast<uintptr_t>(&region),
                      .vec_len = 1,
                      .category_mask = kPageIsPresent,
                      .return_mask = kPageIsPresent};
  if (ioctl(file.get(), kPagemapScan, &scan) < 0) return Trial::Failed(errno, "PAGEMAP_SCAN");
  return Trial::Worked();
}

Trial TryPerfBreakpoint(const ProbePlaces&) {
  struct perf_event_attr attributes = {};
  attributes.type = PERF_TYPE_BREAKPOINT;
  attributes.size = sizeof attributes;
  attributes.bp_type = HW_BREAKPOINT_X;
  attributes.bp_addr = reinterpret_cast<uintptr_t>(&TryPerfBreakpoint);
  attributes.bp_len = sizeof(long);
  attributes.exclude_kernel = 1;
  attributes.exclude_hv = 1;
  Fd file(static_cast<int>(Kernel(Sys::perf_event_open, &attributes, 0, -1, -1, 0)));
  if (!file) return Trial::Failed(errno, "perf_event_open");
  return Trial::Worked();
}

Trial TryUserNamespace(const ProbePlaces&) {
  if (unshare(CLONE_NEWUSER) != 0) return Trial::Failed(errno, "unshare");
  return Trial::Worked();
}

Trial TryPinning(const ProbePlaces&) {
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) {
    return Trial::Failed(errno, "sched_getaffinity");
  }
  int cpu = 0;
  while (cpu < CPU_SETSIZE && !CPU_ISSET(cpu, &allowed)) ++cpu;
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(cpu, &one);
  if (sched_setaffinity(0, sizeof one, &one) != 0) return Trial::Failed(errno, "sched_setaffinity");
  return Trial::Worked(fmt::format("{} CPUs allowed", CPU_COUNT(&allowed)));
}

Trial TryStore(const ProbePlaces& places) { return TryDirectory(places.store); }

Trial TryCache(const ProbePlaces& places) { return TryDirectory(places.cache); }

Trial TryHardLink(const ProbePlaces& places) {
  return TrySharing(places, [](int, const std::string& from, int, const std::string& to) {
    unlink(to.c_str());
    if (link(from.c_str(), to.c_str()) != 0) return Trial::Failed(errno, "link");
    return Trial::Worked();
  });
}

Trial TryReflink(const ProbePlaces& places) {
  return TrySharing(places, [](int from, const std::string&, int to, const std::string&) {
    if (ioctl(to, FICLONE, from) != 0) return Trial::Failed(errno, "FICLONE");
    return Trial::Worked();
  });
}

Trial TryLimits(const ProbePlaces&) {
  struct Limit {
    std::string_view name;
    decltype(RLIMIT_FSIZE) resource;
    rlim_t least;
  };
  // A trace of a long run is gigabytes; a replay holds one descriptor per file that was mapped.
  constexpr std::array kLimits = {Limit{"file size", RLIMIT_FSIZE, RLIM_INFINITY},
                                  Limit{"open files", RLIMIT_NOFILE, 256},
                                  Limit{"processes", RLIMIT_NPROC, 64}};
  std::string text, low;
  for (const Limit& limit : kLimits) {
    struct rlimit value = {};
    getrlimit(limit.resource, &value);
    std::string figure =
        value.rlim_cur == RLIM_INFINITY ? "unlimited" : fmt::to_string(value.rlim_cur);
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", limit.name, figure);
    if (value.rlim_cur < limit.least) {
      low += fmt::format("{}{} {}", low.empty() ? "low: " : ", ", limit.name, figure);
    }
  }
  return low.empty() ? Trial::Worked(text) : Trial::Failed(0, low);
}

}  // namespace retake
