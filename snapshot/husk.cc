#include "snapshot/husk.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstring>

#include "base/features.h"
#include "stub/husk.h"
#include "tracee/hidden_register.h"
#include "tracee/maps.h"
#include "tracee/ptrace.h"

namespace retake {
namespace {

constexpr int kSpawnBound = 10'000;  // ms

constexpr uint64_t kTraceOptions = PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL |
                                   PTRACE_O_TRACESECCOMP | PTRACE_O_TRACEEXEC | PTRACE_O_TRACEFORK |
                                   PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE;

// What a husk may call, from the stub's page only. A clone with any flag, or an address outside the
// process, isn't.
constexpr Sys kAllowed[] = {
    Sys::mmap,       Sys::munmap,     Sys::mremap,     Sys::mprotect,
    Sys::madvise,    Sys::pkey_alloc, Sys::pkey_free,  Sys::pkey_mprotect,
    Sys::arch_prctl, Sys::modify_ldt, Sys::exit_group,
};

// Whether a husk's calls are seen by the stops of its filter.
bool WaitsForFilter() {
  static const bool waits =
      machine::HiddenAtSyscallStops() && prctl(PR_GET_SECCOMP, 0, 0, 0, 0) != SECCOMP_MODE_FILTER;
  return waits;
}

std::vector<sock_filter> HuskFilter() {
  const ArchDescription& arch = HostArch();
  std::vector<sock_filter> program;
  auto load = [&](size_t offset) {
    program.push_back(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<uint32_t>(offset)));
  };
  // Calls from elsewhere are stopped at, and never made, where the replayer waits for this filter.
  uint32_t refusal = WaitsForFilter() ? SECCOMP_RET_TRACE : SECCOMP_RET_KILL_PROCESS;
  auto kill = [&] { program.push_back(BPF_STMT(BPF_RET | BPF_K, refusal)); };
  auto require_equal = [&](uint32_t value) {
    program.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 1, 0));
    kill();
  };
  // seccomp_data is little-endian on both architectures: the low half of a 64-bit field comes
  // first.
  load(offsetof(seccomp_data, arch));
  require_equal(arch.audit_arch);
  if (uint64_t page = machine::LegacyPage(); page != 0) {
    // A call made by jumping there reaches the replayer as a seccomp stop only; it is suppressed
    // like any other.
    load(offsetof(seccomp_data, instruction_pointer) + 4);
    program.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<uint32_t>(page >> 32), 0, 4));
    load(offsetof(seccomp_data, instruction_pointer));
    program.push_back(BPF_STMT(BPF_ALU | BPF_AND | BPF_K, ~uint32_t{0xfff}));
    program.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<uint32_t>(page), 0, 1));
    program.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE));
  }
  load(offsetof(seccomp_data, instruction_pointer) + 4);
  require_equal(static_cast<uint32_t>(kStubAddress >> 32));
  load(offsetof(seccomp_data, instruction_pointer));
  program.push_back(BPF_STMT(BPF_ALU | BPF_AND | BPF_K, ~static_cast<uint32_t>(kStubCodeSize - 1)));
  require_equal(static_cast<uint32_t>(kStubAddress));
  load(offsetof(seccomp_data, nr));
  for (Sys sys : kAllowed) {
    int number = arch.NumberOf(sys);
    if (number < 0) continue;
    program.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<uint32_t>(number), 0, 1));
    program.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
  }
  require_equal(static_cast<uint32_t>(arch.NumberOf(Sys::clone)));
  load(offsetof(seccomp_data, args[0]));
  require_equal(0);
  load(offsetof(seccomp_data, args[0]) + 4);
  require_equal(0);
  program.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
  return program;
}

[[noreturn]] void RunHuskChild(int program, int go, const Husk::Options& options) {
  char byte = 0;
  if (read(go, &byte, 1) != 1) _exit(125);
  for (int fd : options.object_fds) fcntl(fd, F_SETFD, 0);
  rlimit limit{};
  getrlimit(RLIMIT_STACK, &limit);
  if (options.stack_limit != 0) {
    limit.rlim_cur = std::min<rlim_t>(options.stack_limit, limit.rlim_max);
    setrlimit(RLIMIT_STACK, &limit);
  }
  rlimit no_core{0, 0};
  setrlimit(RLIMIT_CORE, &no_core);
  for (int fd = 0; fd <= 2; ++fd) {
    if (std::find(options.object_fds.begin(), options.object_fds.end(), fd) ==
        options.object_fds.end())
      close(fd);
  }
  if (auto trap = machine::TimestampTrap(); trap && options.timestamp_traps) {
    if (trap->sys == Sys::prctl) prctl(static_cast<int>(trap->args[0]), trap->args[1], 0, 0, 0);
  }
  ExecHusk(program);
}

uint64_t ProtOf(uint32_t prot) { return prot & (PROT_READ | PROT_WRITE | PROT_EXEC); }

BatchCall MapCall(const ImageMapping& mapping, std::span<const int> object_fds) {
  uint64_t flags = MAP_FIXED | MAP_NORESERVE;
  uint64_t fd = ~uint64_t{0};
  switch (mapping.kind) {
    case ImageMapping::Kind::kAnonymous:
      flags |= MAP_PRIVATE | MAP_ANONYMOUS | (mapping.grows_down ? MAP_GROWSDOWN : 0);
      break;
    case ImageMapping::Kind::kBlob:
      flags |= MAP_PRIVATE;
      fd = static_cast<uint64_t>(object_fds[mapping.object]);
      break;
    case ImageMapping::Kind::kShared:
      flags |= MAP_SHARED;
      fd = static_cast<uint64_t>(object_fds[mapping.object]);
      break;
  }
  return MakeCall(Sys::mmap, mapping.address, mapping.size, ProtOf(mapping.prot), flags, fd,
                  mapping.offset);
}

}  // namespace

Result<Fd> HuskProgram() {
  ByteSpan elf = HuskElf();
  Fd file;
  std::string name;
  if (MayUse(Feature::kMemfd)) file.Reset(memfd_create("retake-husk", MFD_CLOEXEC));
  if (!file) {
    const char* directory = getenv("TMPDIR");
    name = fmt::format("{}/retake-husk-XXXXXX", directory != nullptr ? directory : "/tmp");
    file.Reset(mkostemp(name.data(), O_CLOEXEC));
    if (!file) return ErrnoError("can't make a temporary file {} for the husk program", name);
    fchmod(file.get(), 0700);
  }
  bool written = write(file.get(), elf.data(), elf.size()) == static_cast<ssize_t>(elf.size());
  if (!written) return ErrnoError("can't write the husk program");
  if (name.empty()) return file;
  // A file open for writing can't be executed.
  Fd reopened(open(name.c_str(), O_RDONLY | O_CLOEXEC));
  unlink(name.c_str());
  if (!reopened) return ErrnoError("can't open the husk program {}", name);
  return reopened;
}

void ExecHusk(int program) {
  char name[] = "retake-husk";
  char* arguments[] = {name, nullptr};
  char* environment[] = {nullptr};
  fexecve(program, arguments, environment);
  _exit(125);
}

Result<TaskMemory> AwaitHusk(pid_t pid, int go, uint64_t trace_options) {
  auto await = [&]() -> Result<TaskMemory> {
    TRY(ptracer::Seize(pid, trace_options));
    if (write(go, "g", 1) != 1) return ErrnoError("can't start the husk");
    auto stop = TRY(ptracer::WaitOne(pid, kSpawnBound));
    if (!stop || stop->kind() != StopKind::kExec)
      return Error(0, "the husk program didn't start", pid);
    TRY(ptracer::Resume(pid, ResumeKind::kToSyscall));
    stop = TRY(ptracer::WaitOne(pid, kSpawnBound));
    if (!stop || stop->kind() != StopKind::kSyscall)
      return Error(0, "the husk program met an unexpected stop", pid);
    return TaskMemory::Open(pid);
  };
  auto memory = await();
  if (!memory.ok()) ptracer::KillAndReap(pid);
  return memory;
}

Result<std::unique_ptr<Husk>> Husk::Spawn(const Options& options) {
  Fd program = TRY(HuskProgram());
  int pipe_ends[2];
  if (pipe2(pipe_ends, O_CLOEXEC) != 0) return ErrnoError("can't make a pipe");
  Fd go_read(pipe_ends[0]);
  Fd go_write(pipe_ends[1]);
  pid_t pid = fork();
  if (pid < 0) return ErrnoError("can't fork");
  if (pid == 0) {
    // Else it would wait for itself if we ended now.
    go_write.Reset();
    RunHuskChild(program.get(), go_read.get(), options);
  }

  TaskMemory memory = TRY(AwaitHusk(pid, go_write.get(), kTraceOptions));
  // From here on the destructor ends it.
  std::unique_ptr<Husk> husk(new Husk(pid, std::move(memory)));

  Registers registers;
  TRY(ptracer::GetRegisters(pid, registers));
  std::vector<Mapping> mappings = TRY(ReadMappings(pid));
  RemoteCalls calls(pid, husk->memory_, registers);
  TRY(calls.InstallStub(mappings));
  for (const machine::TrapSwitch& call : machine::CallsAfterExec()) {
    if (call == machine::TimestampTrap() && !options.timestamp_traps) continue;
    TRY(calls.Call(MakeCall(call.sys, call.args[0], call.args[1])));
  }

  std::vector<sock_filter> filter = HuskFilter();
  sock_fprog header{static_cast<unsigned short>(filter.size()),
                    reinterpret_cast<sock_filter*>(kStubScratchAddress + sizeof(sock_fprog))};
  std::vector<uint8_t> bytes(sizeof header + filter.size() * sizeof(sock_filter));
  memcpy(bytes.data(), &header, sizeof header);
  memcpy(bytes.data() + sizeof header, filter.data(), filter.size() * sizeof(sock_filter));
  TRY(husk->memory_.Write(kStubScratchAddress, bytes));
  BatchCall confine[] = {
      MakeCall(Sys::prctl, PR_SET_NO_NEW_PRIVS, 1),
      MakeCall(Sys::seccomp, SECCOMP_SET_MODE_FILTER, 0, kStubScratchAddress),
  };
  TRY(calls.Run(confine));
  for (const BatchCall& call : confine) {
    if (call.result != 0) {
      return Error(static_cast<int>(-call.result), "can't confine the replayed process by seccomp",
                   pid);
    }
  }
  return husk;
}

Status Husk::ResumeToCall() const {
  return ptracer::Resume(pid_, WaitsForFilter() ? ResumeKind::kToFilter : ResumeKind::kEmulate);
}

Status Husk::Uncover(Registers& registers) {
  if (!machine::HiddenAtSyscallStops() || WaitsForFilter()) return {};
  RemoteCalls remote(pid_, memory_, registers);
  TRY(remote.Break());
  Registers whole;
  TRY(ptracer::GetRegisters(pid_, whole));
  CopyHiddenRegister(whole, registers);
  return ptracer::SetRegisters(pid_, registers);
}

Husk::~Husk() { ptracer::KillAndReap(pid_); }

Result<std::unique_ptr<Husk>> Husk::Fork(const Registers& registers) {
  RemoteCalls calls(pid_, memory_, registers);
  pid_t child = TRY(calls.Fork());
  TaskMemory memory = TRY(TaskMemory::Open(child));
  std::unique_ptr<Husk> copy(new Husk(child, std::move(memory)));
  copy->more_than_memory_ = more_than_memory_;
  return copy;
}

Status Husk::Run(const Registers& registers, std::span<BatchCall> calls) {
  RemoteCalls remote(pid_, memory_, registers);
  return remote.Run(calls);
}

Status Husk::Unmap(const Registers& registers) {
  std::vector<Mapping> mappings = TRY(ReadMappings(pid_));
  std::vector<BatchCall> calls;
  for (const Mapping& mapping : mappings) {
    if (mapping.is_vsyscall() || TouchesStub(mapping.start, mapping.size())) continue;
    // Neighbours go by one call. (vvar and vdso can only go whole, which a larger range is too.)
    if (!calls.empty() && calls.back().args[0] + calls.back().args[1] == mapping.start) {
      calls.back().args[1] += mapping.size();
    } else {
      calls.push_back(MakeCall(Sys::munmap, mapping.start, mapping.size()));
    }
  }
  TRY(Run(registers, calls));
  for (const BatchCall& call : calls) {
    if (call.result != 0) {
      return Error(static_cast<int>(-call.result),
                   fmt::format("can't unmap {:#x} in the husk", call.args[0]), pid_);
    }
  }
  return {};
}

Status Husk::Fill(const Image& image) {
  for (const ImagePages& pages : image.pages) {
    ByteSpan bytes = ByteSpan(image.data).subspan(pages.offset, pages.size);
    TRY(memory_.Write(pages.address, bytes));
  }
  return {};
}

Status Husk::Load(const Image& image, std::span<const int> object_fds) {
  Registers registers;
  TRY(ptracer::GetRegisters(pid_, registers));
  TRY(Unmap(registers));
  std::vector<BatchCall> calls;
  for (const ImageMapping& mapping : image.mappings) {
    if (TouchesStub(mapping.address, mapping.size)) {
      return Error(0,
                   fmt::format("the trace maps memory at {:#x}, over retake's stub page: refused",
                               mapping.address));
    }
    if (mapping.kind != ImageMapping::Kind::kAnonymous && mapping.object >= object_fds.size()) {
      return Error(0, fmt::format("the trace's image refers to object {}, which it hasn't got",
                                  mapping.object));
    }
    if (mapping.prot == PROT_EXEC) NoteMoreThanMemory();
    calls.push_back(MapCall(mapping, object_fds));
  }
  TRY(Run(registers, calls));
  for (const BatchCall& call : calls) {
    if (call.result != call.args[0]) {
      return Error(
          CallFailed(call.result) ? static_cast<int>(-call.result) : 0,
          fmt::format("can't map {} bytes at {:#x} in the husk", call.args[1], call.args[0]), pid_);
    }
  }
  TRY(Fill(image));
  TRY(ptracer::SetVector(pid_, image.vector_state));
  Registers start = image.registers;
  machine::ForgetSyscall(start);
  return ptracer::SetRegisters(pid_, start);
}

}  // namespace retake
