#include "tracee/remote_calls.h"

#include <linux/sched.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstring>

#include "arch/code.h"

namespace retake {
namespace {

// How long an injected call may take. They are mapping calls and the like; a machine that needs
// longer is stuck.
constexpr int kInjectedCallBound = 30'000;  // ms

}  // namespace

BatchCall MakeCall(Sys sys, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4,
                   uint64_t a5) {
  return BatchCall{static_cast<uint64_t>(HostArch().NumberOf(sys)), {a0, a1, a2, a3, a4, a5}, 0};
}

Result<std::vector<uint8_t>> RemoteCalls::DroppedByCalls() const {
  std::vector<uint8_t> state;
  if (!machine::CallsDropVectorState()) return state;
  TRY(ptracer::GetVector(pid_, state));
  if (!machine::HasDroppedByCalls(state)) state.clear();
  return state;
}

// It was killed: the wait that is for its stops hears of that.
Error RemoteCalls::MeetOther(WaitStatus status) const {
  ptracer::PutBack(pid_, status);
  return Error(ESRCH, fmt::format("an injected call met an unexpected stop ({:#x})", status.raw()),
               pid_);
}

Result<uint64_t> RemoteCalls::CallAt(uint64_t address, const BatchCall& call) {
  Registers registers = registers_;
  machine::SetCall(registers, call.number, call.args);
  SetPc(registers, address);
  std::vector<uint8_t> dropped = TRY(DroppedByCalls());
  TRY(ptracer::SetRegisters(pid_, registers));
  int syscall_stops = 0;
  while (syscall_stops < 2) {
    TRY(ptracer::Resume(pid_, ResumeKind::kToSyscall));
    auto status = TRY(ptracer::WaitOne(pid_, -1));
    switch (status->kind()) {
      case StopKind::kSyscall:
        ++syscall_stops;
        break;
      case StopKind::kSeccomp:
        break;
      default:
        return MeetOther(*status);
    }
  }
  if (!dropped.empty()) TRY(ptracer::SetVector(pid_, dropped));
  TRY(ptracer::GetRegisters(pid_, registers));
  return static_cast<uint64_t>(machine::ResultOf(registers));
}

Result<uint64_t> RemoteCalls::VdsoSyscall(std::span<const Mapping> mappings) const {
  const Mapping* vdso = FindVdso(mappings);
  if (vdso == nullptr) {
    return Error(0, "the process has no vDSO, and retake needs its syscall instruction", pid_);
  }
  std::string code(std::min<uint64_t>(vdso->size(), 1 << 20), '\0');
  if (!memory_.Read(vdso->start, code.data(), code.size())) {
    return Error(0, "can't read the vDSO", pid_);
  }
  size_t at = code.find(HostArch().syscall_instruction);
  if (at == std::string::npos) return Error(0, "the vDSO has no syscall instruction", pid_);
  return vdso->start + at;
}

Status RemoteCalls::InstallStub(std::span<const Mapping> mappings) {
  uint64_t address = TRY(VdsoSyscall(mappings));
  uint64_t got = TRY(CallAt(
      address, MakeCall(Sys::mmap, stub_, kStubEnd - kStubAddress, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, ~uint64_t{0}, 0)));
  if (got != stub_) {
    return Error(CallFailed(got) ? static_cast<int>(-got) : 0,
                 fmt::format("can't map retake's stub page at {:#x}", stub_), pid_);
  }
  TRY(memory_.Write(stub_, machine::Stub().code));
  uint64_t result =
      TRY(CallAt(address, MakeCall(Sys::mprotect, stub_, kStubCodeSize, PROT_READ | PROT_EXEC)));
  if (result != 0)
    return Error(static_cast<int>(-result), "can't make the stub page executable", pid_);
  return {};
}

Status RemoteCalls::RemoveStub(std::span<const Mapping> mappings) {
  uint64_t address = TRY(VdsoSyscall(mappings));
  uint64_t result = TRY(CallAt(address, MakeCall(Sys::munmap, stub_, kStubEnd - kStubAddress)));
  if (result != 0) return Error(static_cast<int>(-result), "can't unmap the stub page", pid_);
  return {};
}

Status RemoteCalls::WaitForBreak() {
  static const StubImage stub = machine::Stub();
  for (;;) {
    TRY(ptracer::Resume(pid_, ResumeKind::kContinue));
    auto status = TRY(ptracer::WaitOne(pid_, -1));
    switch (status->kind()) {
      case StopKind::kNewTask:
        child_ = static_cast<pid_t>(TRY(ptracer::EventMessage(pid_)));
        break;
      case StopKind::kSignal: {
        Registers registers;
        TRY(ptracer::GetRegisters(pid_, registers));
        if (status->signal() == SIGTRAP && Pc(registers) == stub_ + stub.batch_break) return {};
        return Error(0,
                     fmt::format("an injected call ended in signal {} at {:#x}", status->signal(),
                                 Pc(registers)),
                     pid_);
      }
      case StopKind::kEventStop:  // an interrupt that was on its way
        break;
      default:
        return MeetOther(*status);
    }
  }
}

Status RemoteCalls::RunBatch(std::span<BatchCall> calls) {
  static const StubImage stub = machine::Stub();
  std::vector<uint8_t> bytes(sizeof(Batch) + calls.size_bytes());
  Batch header{calls.size(), 0};
  memcpy(bytes.data(), &header, sizeof header);
  memcpy(bytes.data() + sizeof header, calls.data(), calls.size_bytes());
  uint64_t data = stub_ + kStubCodeSize;
  TRY(memory_.Write(data, bytes));
  std::vector<uint8_t> dropped = TRY(DroppedByCalls());
  Registers registers = registers_;
  SetPc(registers, stub_ + stub.batch_entry);
  TRY(ptracer::SetRegisters(pid_, registers));
  TRY(WaitForBreak());
  if (!dropped.empty()) TRY(ptracer::SetVector(pid_, dropped));
  if (!memory_.Read(data + sizeof header, calls.data(), calls.size_bytes())) {
    return Error(ESRCH, "can't read the results of injected calls", pid_);
  }
  return {};
}

Status RemoteCalls::Run(std::span<BatchCall> calls) {
  while (!calls.empty()) {
    size_t count = std::min(calls.size(), kMaxBatchCalls);
    TRY(RunBatch(calls.first(count)));
    calls = calls.subspan(count);
  }
  return {};
}

Result<uint64_t> RemoteCalls::Call(const BatchCall& call) {
  BatchCall one = call;
  TRY(RunBatch({&one, 1}));
  return one.result;
}

Result<pid_t> RemoteCalls::AwaitChild() {
  if (!child_) return Error(0, "a fork gave no ptrace event", pid_);
  auto first = TRY(ptracer::WaitOne(*child_, kInjectedCallBound));
  if (!first) return Error(ETIMEDOUT, "a forked process doesn't stop", *child_);
  if (first->gone()) return Error(ESRCH, "a forked process died at once", *child_);
  return *child_;
}

Result<pid_t> RemoteCalls::Fork() {
  child_.reset();
  uint64_t result = TRY(Call(MakeCall(Sys::clone)));
  if (CallFailed(result)) {
    return Error(static_cast<int>(-result), "can't fork the replayed process", pid_);
  }
  return AwaitChild();
}

Result<pid_t> RemoteCalls::Clone(uint64_t flags, int exit_signal, pid_t tid) {
  clone_args args{};
  args.flags = flags;
  args.exit_signal = static_cast<uint64_t>(exit_signal);
  args.set_tid = scratch() + sizeof args;
  args.set_tid_size = 1;
  std::vector<uint8_t> bytes(sizeof args + sizeof tid);
  memcpy(bytes.data(), &args, sizeof args);
  memcpy(bytes.data() + sizeof args, &tid, sizeof tid);
  TRY(memory_.Write(scratch(), bytes));
  child_.reset();
  // Containers often refuse clone3, which only a pid needs.
  uint64_t result =
      TRY(Call(tid == 0 ? MakeCall(Sys::clone, flags | static_cast<uint64_t>(exit_signal))
                        : MakeCall(Sys::clone3, scratch(), sizeof args)));
  if (CallFailed(result)) {
    return Error(static_cast<int>(-result), fmt::format("can't make a task with the pid {}", tid),
                 pid_);
  }
  return AwaitChild();
}

Result<SignalsHeld> SignalsHeld::Hold(pid_t pid) { return HoldMask(pid, ~uint64_t{0}); }

Result<SignalsHeld> SignalsHeld::HoldAsynchronous(pid_t pid) {
  uint64_t raised = 0;
  for (int signal : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS})
    raised |= uint64_t{1} << (signal - 1);
  uint64_t mask = TRY(ptracer::GetSigmask(pid));
  return HoldMask(pid, ~raised | mask);
}

Result<SignalsHeld> SignalsHeld::HoldMask(pid_t pid, uint64_t blocked) {
  uint64_t mask = TRY(ptracer::GetSigmask(pid));
  TRY(ptracer::SetSigmask(pid, blocked));
  return SignalsHeld(pid, mask);
}

SignalsHeld::~SignalsHeld() {
  // A failure means the task was killed; its mask no longer matters.
  if (pid_ != 0) (void)ptracer::SetSigmask(pid_, mask_);
}

}  // namespace retake
