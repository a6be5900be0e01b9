#include "tracee/ptrace.h"

#include <elf.h>
#include <linux/filter.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <time.h>

#include <algorithm>
#include <cstring>

#include "base/clock.h"
// Older headers lack these; values from <linux/ptrace.h> (both are ABI since 2.6 and 3.11).
#ifndef PTRACE_SYSEMU
#define PTRACE_SYSEMU 31
#endif

namespace retake::ptracer {
namespace {

// PTRACE_GET_RSEQ_CONFIGURATION of <linux/ptrace.h>, Linux 5.13.
constexpr int kGetRseqConfiguration = 0x420f;

// PTRACE_SECCOMP_GET_FILTER and PTRACE_SECCOMP_GET_METADATA of <linux/ptrace.h>, Linux 4.4
// and 4.16; glibc has but the first.
constexpr int kGetSeccompFilter = 0x420c;
constexpr int kGetSeccompMetadata = 0x420d;
struct SeccompMetadata {
  uint64_t filter, flags;
};

// PTRACE_GET_SYSCALL_USER_DISPATCH_CONFIG and struct ptrace_sud_config of <linux/ptrace.h>,
// Linux 6.4.
constexpr int kGetDispatchConfiguration = 0x4211;
struct DispatchConfiguration {
  uint64_t mode, selector, offset, size;
};

thread_local std::vector<Stop> put_back;

// glibc types ptrace's request as an enum on one architecture and an int elsewhere.
template <typename A, typename D>
long Raw(int request, pid_t pid, A address, D data) {
  return ::ptrace(static_cast<__ptrace_request>(request), pid, address, data);
}

Error Failed(pid_t pid, const char* what) {
  int code = errno;
  return Error(code, what, pid);
}

int RequestOf(ResumeKind kind) {
  switch (kind) {
    case ResumeKind::kContinue:
      return PTRACE_CONT;
    case ResumeKind::kToSyscall:
      return PTRACE_SYSCALL;
    case ResumeKind::kEmulate:
      return PTRACE_SYSEMU;
    case ResumeKind::kToFilter:
      return PTRACE_CONT;
    case ResumeKind::kStep:
      return PTRACE_SINGLESTEP;
    case ResumeKind::kListen:
      return PTRACE_LISTEN;
  }
  return PTRACE_CONT;
}

}  // namespace

Status Seize(pid_t pid, uint64_t options) {
  if (Raw(PTRACE_SEIZE, pid, nullptr, options) != 0) return Failed(pid, "can't trace the program");
  return {};
}

Status SetOptions(pid_t pid, uint64_t options) {
  if (Raw(PTRACE_SETOPTIONS, pid, nullptr, options) != 0) {
    return Failed(pid, "can't set trace options");
  }
  return {};
}

Status SuspendSeccomp(pid_t pid, uint64_t options) {
  return SetOptions(pid, options | PTRACE_O_SUSPEND_SECCOMP);
}

Status Interrupt(pid_t pid) {
  if (Raw(PTRACE_INTERRUPT, pid, nullptr, nullptr) != 0) return Failed(pid, "can't interrupt");
  return {};
}

Status Detach(pid_t pid) {
  if (Raw(PTRACE_DETACH, pid, nullptr, nullptr) != 0) return Failed(pid, "can't detach");
  return {};
}

namespace {

// Keeps the kernel from making the call at whose entry the task stands, whatever its registers say.
Status DropCall(pid_t pid) {
  Registers none;
  machine::SuppressCall(none);
  uint8_t word = HostArch().syscall;
  for (const Regset& set : machine::Regsets()) {
    if (set.first_word != word) continue;
    iovec buffer{&none.words[word], set.bytes};
    if (Raw(PTRACE_SETREGSET, pid, static_cast<long>(set.note_type), &buffer) != 0)
      return Failed(pid, "can't drop a call");
    return {};
  }
  Registers registers;
  TRY(GetRegisters(pid, registers));
  machine::SuppressCall(registers);
  return SetRegisters(pid, registers);
}

}  // namespace

Status Resume(pid_t pid, ResumeKind kind, int signal) {
  if (kind == ResumeKind::kToFilter) TRY(DropCall(pid));
  if (Raw(RequestOf(kind), pid, nullptr, static_cast<long>(signal)) != 0) {
    return Failed(pid, "can't resume");
  }
  return {};
}

Status GetRegisters(pid_t pid, Registers& registers) {
  for (const Regset& set : machine::Regsets()) {
    iovec buffer{&registers.words[set.first_word], set.bytes};
    if (Raw(PTRACE_GETREGSET, pid, static_cast<long>(set.note_type), &buffer) != 0) {
      if (errno != ESRCH && set.optional) {
        memset(&registers.words[set.first_word], 0, set.bytes);
        continue;
      }
      return Failed(pid, "can't read registers");
    }
  }
  return {};
}

Status SetRegisters(pid_t pid, const Registers& registers) {
  for (const Regset& set : machine::Regsets()) {
    iovec buffer{const_cast<uint64_t*>(&registers.words[set.first_word]), set.bytes};
    if (Raw(PTRACE_SETREGSET, pid, static_cast<long>(set.note_type), &buffer) != 0) {
      if (errno != ESRCH && set.optional) continue;
      return Failed(pid, "can't write registers");
    }
  }
  return {};
}

Status GetVector(pid_t pid, std::vector<uint8_t>& state) {
  state.resize(machine::MaxVectorBytes());
  iovec buffer{state.data(), state.size()};
  if (Raw(PTRACE_GETREGSET, pid, static_cast<long>(machine::VectorRegset()), &buffer) != 0) {
    return Failed(pid, "can't read vector registers");
  }
  state.resize(buffer.iov_len);
  return {};
}

Status SetVector(pid_t pid, ByteSpan state) {
  iovec buffer{const_cast<uint8_t*>(state.data()), state.size()};
  if (Raw(PTRACE_SETREGSET, pid, static_cast<long>(machine::VectorRegset()), &buffer) != 0) {
    return Failed(pid, "can't write vector registers");
  }
  return {};
}

Result<std::vector<uint8_t>> GetRegset(pid_t pid, uint32_t type, size_t most) {
  std::vector<uint8_t> bytes(most);
  iovec buffer{bytes.data(), bytes.size()};
  bool got = Raw(PTRACE_GETREGSET, pid, static_cast<long>(type), &buffer) == 0;
  // EINVAL: the kernel has none; ENODEV: the CPU.
  if (!got && errno != EINVAL && errno != ENODEV) return Failed(pid, "can't read registers");
  bytes.resize(got ? buffer.iov_len : 0);
  return bytes;
}

Status SetRegset(pid_t pid, uint32_t type, ByteSpan bytes) {
  iovec buffer{const_cast<uint8_t*>(bytes.data()), bytes.size()};
  if (Raw(PTRACE_SETREGSET, pid, static_cast<long>(type), &buffer) != 0)
    return Failed(pid, "can't write registers");
  return {};
}

Result<uint64_t> EventMessage(pid_t pid) {
  unsigned long message = 0;
  if (Raw(PTRACE_GETEVENTMSG, pid, nullptr, &message) != 0) {
    return Failed(pid, "can't read the ptrace event");
  }
  return uint64_t{message};
}

Status GetSiginfo(pid_t pid, siginfo_t& info) {
  if (Raw(PTRACE_GETSIGINFO, pid, nullptr, &info) != 0) return Failed(pid, "can't read a signal");
  return {};
}

Status SetSiginfo(pid_t pid, const siginfo_t& info) {
  if (Raw(PTRACE_SETSIGINFO, pid, nullptr, &info) != 0) return Failed(pid, "can't change a signal");
  return {};
}

Result<std::vector<siginfo_t>> PeekPending(pid_t pid, bool shared) {
  std::vector<siginfo_t> pending;
  constexpr size_t kAtOnce = 32;
  siginfo_t some[kAtOnce];
  for (;;) {
    __ptrace_peeksiginfo_args args{.off = pending.size(),
                                   .flags = shared ? uint32_t{PTRACE_PEEKSIGINFO_SHARED} : 0,
                                   .nr = kAtOnce};
    long got = Raw(PTRACE_PEEKSIGINFO, pid, &args, some);
    if (got < 0) return Failed(pid, "can't read pending signals");
    if (got == 0) return pending;
    pending.insert(pending.end(), some, some + got);
  }
}

std::vector<uint8_t> PeekWord(pid_t pid, uint64_t address) {
  errno = 0;
  // The wrapper returns the word.
  long word = Raw(PTRACE_PEEKDATA, pid, address, nullptr);
  if (errno != 0) return {};
  const auto* bytes = reinterpret_cast<const uint8_t*>(&word);
  return {bytes, bytes + sizeof word};
}

Result<RseqConfiguration> GetRseq(pid_t pid) {
  RseqConfiguration configuration{};
  long got = Raw(kGetRseqConfiguration, pid, sizeof configuration, &configuration);
  if (got < 0 && errno == ESRCH) return Failed(pid, "can't read restartable sequences");
  return configuration;
}

bool HandlesOwnCalls(pid_t pid) {
  DispatchConfiguration configuration{};
  return Raw(kGetDispatchConfiguration, pid, sizeof configuration, &configuration) == 0 &&
         configuration.mode != 0;
}

Result<std::optional<std::vector<uint8_t>>> GetSeccompFilter(pid_t pid, uint64_t n) {
  using Filter = std::optional<std::vector<uint8_t>>;
  long count = Raw(kGetSeccompFilter, pid, n, nullptr);
  if (count < 0 && errno == ENOENT) return Filter();
  if (count < 0) return Failed(pid, "can't read its seccomp filters");
  std::vector<uint8_t> instructions(static_cast<size_t>(count) * sizeof(sock_filter));
  if (Raw(kGetSeccompFilter, pid, n, instructions.data()) != count)
    return Failed(pid, "can't read its seccomp filters");
  return Filter(std::move(instructions));
}

Result<uint64_t> GetSeccompFlags(pid_t pid, uint64_t n) {
  SeccompMetadata metadata{n, 0};
  if (Raw(kGetSeccompMetadata, pid, sizeof metadata, &metadata) < 0)
    return Failed(pid, "can't read its seccomp filters' flags");
  return metadata.flags;
}

Result<uint64_t> GetSigmask(pid_t pid) {
  uint64_t mask = 0;
  if (Raw(PTRACE_GETSIGMASK, pid, sizeof mask, &mask) != 0) {
    return Failed(pid, "can't read the signal mask");
  }
  return mask;
}

Status SetSigmask(pid_t pid, uint64_t mask) {
  if (Raw(PTRACE_SETSIGMASK, pid, sizeof mask, &mask) != 0) {
    return Failed(pid, "can't set the signal mask");
  }
  return {};
}

Result<std::optional<Stop>> WaitAny() {
  if (!put_back.empty()) {
    Stop stop = put_back.front();
    put_back.erase(put_back.begin());
    return std::optional(stop);
  }
  int status = 0;
  pid_t pid = waitpid(-1, &status, __WALL | __WNOTHREAD);
  if (pid > 0) return std::optional(Stop{pid, WaitStatus(status)});
  if (errno == EINTR) return std::optional<Stop>();
  return ErrnoError("can't wait for the program");
}

void PutBack(pid_t pid, WaitStatus status) { put_back.push_back({pid, status}); }

Result<std::optional<WaitStatus>> WaitOne(pid_t pid, int milliseconds) {
  auto kept = std::ranges::find(put_back, pid, &Stop::pid);
  if (kept != put_back.end()) {
    WaitStatus status = kept->status;
    put_back.erase(kept);
    return std::optional(status);
  }
  int64_t deadline = milliseconds > 0 ? MonotonicMilliseconds() + milliseconds : 0;
  // With a bound: poll, at first without sleeping, since most waits end within microseconds.
  for (int round = 0;; ++round) {
    int status = 0;
    pid_t got = waitpid(pid, &status, __WALL | (milliseconds < 0 ? 0 : WNOHANG));
    if (got == pid) return std::optional(WaitStatus(status));
    if (got < 0 && errno != EINTR) {
      int code = errno;
      return Error(code == ECHILD ? ESRCH : code, "can't wait for the program", pid);
    }
    if (milliseconds == 0) return std::optional<WaitStatus>();
    if (milliseconds > 0) {
      if (MonotonicMilliseconds() >= deadline) return std::optional<WaitStatus>();
      timespec nap{0, std::min(1000L * (round + 1), 1'000'000L)};
      nanosleep(&nap, nullptr);
    }
  }
}

void KillAndReap(pid_t pid) {
  kill(pid, SIGKILL);
  for (int round = 0; round < 100; ++round) {
    auto status = WaitOne(pid, 1'000);
    if (!status.ok() || (*status && (*status)->gone())) return;
    (void)Resume(pid, ResumeKind::kContinue);
  }
}

void ReapAll(int milliseconds) {
  int64_t deadline = MonotonicMilliseconds() + milliseconds;
  for (;;) {
    pid_t gone = waitpid(-1, nullptr, __WALL | WNOHANG);
    if ((gone < 0 && errno != EINTR) || MonotonicMilliseconds() > deadline) return;
    if (gone == 0) usleep(100);
  }
}

Result<WaitStatus> PeekExit(pid_t pid, int milliseconds) {
  int64_t deadline = MonotonicMilliseconds() + milliseconds;
  for (int round = 0;; ++round) {
    siginfo_t info{};
    if (waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOWAIT | WNOHANG | __WALL) != 0 &&
        errno != EINTR) {
      return Failed(pid, "can't wait for the program's end");
    }
    if (info.si_pid == pid) {
      if (info.si_code == CLD_EXITED) return WaitStatus((info.si_status & 0xff) << 8);
      return WaitStatus(info.si_status | (info.si_code == CLD_DUMPED ? 0x80 : 0));
    }
    if (MonotonicMilliseconds() >= deadline) {
      return Error(ETIMEDOUT, "the program doesn't end after its last call", pid);
    }
    timespec nap{0, std::min(1000L * (round + 1), 1'000'000L)};
    nanosleep(&nap, nullptr);
  }
}

}  // namespace retake::ptracer
