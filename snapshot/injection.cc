#include "snapshot/injection.h"

#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/ptrace.h>

#include <algorithm>

#include "snapshot/confinement.h"
#include "tracee/ptrace.h"

namespace retake {

Result<InjectionSite> InjectionSite::Find(const TaskMemory& memory,
                                          std::span<const Mapping> mappings, pid_t pid) {
  const Mapping* vdso = FindVdso(mappings);
  if (vdso == nullptr) return Error(0, "it has no vDSO, which calls are made from", pid);
  std::vector<uint8_t> bytes(std::min<uint64_t>(vdso->size(), 1 << 20));
  if (!memory.Read(vdso->start, bytes.data(), bytes.size()))
    return Error(0, "its vDSO can't be read", pid);
  size_t used = bytes.size();
  while (used > 0 && bytes[used - 1] == 0) --used;
  // Zeros behind its last byte may belong to it, as the end of a table does.
  constexpr size_t kMargin = 64;
  constexpr size_t kAlignment = 16;
  size_t start = (used + kMargin + kAlignment - 1) / kAlignment * kAlignment;
  if (start + machine::Inject().code.size() > bytes.size())
    return Error(0, "its vDSO has no room for the code that makes calls", pid);
  return InjectionSite{vdso->start + start};
}

namespace {

// Signals whose default is to be ignored, and that do nothing on the way either, as SIGCONT does.
constexpr int kIgnoredSignals[] = {SIGURG, SIGWINCH, SIGCHLD};

// Calls lie in the lower half of the scratch memory, what they point to in the upper.
constexpr uint64_t kRoomOffset = Injection::kScratchSize / 2;
constexpr size_t kMostCalls = kRoomOffset / sizeof(BatchCall);
constexpr size_t kRoomAlignment = 16;

constexpr int kCallBound = 10'000;  // ms; none of the calls waits

uint64_t BitOf(int signal) { return uint64_t{1} << (signal - 1); }

// A signal that the task can stop itself by and that means nothing to it; 0: there is none.
int StopSignalFor(const ProcStatus& status) {
  uint64_t used = status.Number("SigCgt", 16) | status.Number("SigBlk", 16) |
                  status.Number("SigPnd", 16) | status.Number("ShdPnd", 16);
  auto found = std::ranges::find_if(kIgnoredSignals, [&](int s) { return (used & BitOf(s)) == 0; });
  return found == std::end(kIgnoredSignals) ? 0 : *found;
}

}  // namespace

Injection::Injection(pid_t pid, const FrozenTask& task, const TaskMemory& memory,
                     const InjectionSite& site)
    : task_(task), memory_(memory), site_(site) {
  home_.registers = machine::Resumable(task.registers, task.call, /*same_kernel_task=*/true);
  home_.signal_mask = task.signal_mask;
  home_.pid = pid;
  home_.tid = task.tid;
}

Result<std::unique_ptr<Injection>> Injection::Begin(pid_t pid, const FrozenTask& task,
                                                    const ProcStatus& status,
                                                    const TaskMemory& memory,
                                                    const InjectionSite& site) {
  std::unique_ptr<Injection> injection(new Injection(pid, task, memory, site));
  TRY(injection->Enter(status));
  return injection;
}

Injection::~Injection() {
  // Only after a failure. The memory that calls needed stays if even that fails.
  if (entered_) (void)End();
}

Status Injection::WriteTable() {
  return memory_.ForceWrite(site_.address + machine::Inject().table, machine::InjectTable(home_));
}

Status Injection::Enter(const ProcStatus& status) {
  home_.stop_signal = StopSignalFor(status);
  // Its filters shall not act on these calls, where that can be had.
  if (SeccompOf(status).mode != 0 &&
      ptracer::SuspendSeccomp(task_.tid, FrozenTree::kTraceOptions).ok())
    trace_options_ |= PTRACE_O_SUSPEND_SECCOMP;
  // It signals itself by the ids that it has in its own pid namespace, the innermost.
  std::vector<uint64_t> pids = status.Numbers("NStgid"), tids = status.Numbers("NSpid");
  if (!pids.empty()) home_.pid = static_cast<pid_t>(pids.back());
  if (!tids.empty()) home_.tid = static_cast<pid_t>(tids.back());
  TRY(memory_.ForceWrite(site_.address, machine::Inject().code));
  TRY(WriteTable());
  // From here on the task must not run its own code with the mask of the injected: registers first,
  // whose way home sets the mask.
  entered_ = true;
  BatchCall map = MakeCall(Sys::mmap, 0, kScratchSize, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS, ~uint64_t{0}, 0);
  uint64_t address = TRY(Call(map));
  if (CallFailed(address)) {
    return Error(static_cast<int>(-address), "it can't map the memory that calls need", task_.tid);
  }
  home_.scratch = address;
  home_.scratch_size = kScratchSize;
  return WriteTable();
}

void Injection::BeginBatch() {
  if (!ran_) return;
  calls_.clear();
  room_.clear();
  ran_ = false;
}

size_t Injection::Add(const BatchCall& call) {
  BeginBatch();
  calls_.push_back(call);
  return calls_.size() - 1;
}

uint64_t Injection::Room(size_t size) {
  BeginBatch();
  uint64_t offset = room_.size();
  room_.resize((offset + size + kRoomAlignment - 1) / kRoomAlignment * kRoomAlignment);
  return home_.scratch + kRoomOffset + offset;
}

ByteSpan Injection::BytesAt(uint64_t address, size_t size) const {
  return ByteSpan(room_).subspan(address - home_.scratch - kRoomOffset, size);
}

Status Injection::Run() {
  ran_ = true;
  if (calls_.size() > kMostCalls || room_.size() > kScratchSize - kRoomOffset)
    return Error(E2BIG, "too many calls at once", task_.tid);
  ByteSpan calls(reinterpret_cast<const uint8_t*>(calls_.data()),
                 calls_.size() * sizeof(BatchCall));
  TRY(memory_.Write(home_.scratch, calls));
  if (!room_.empty()) TRY(memory_.Write(home_.scratch + kRoomOffset, room_));
  Registers registers = task_.registers;
  machine::SetInjectBatch(registers, home_.scratch, calls_.size());
  TRY(Aim(registers, machine::Inject().batch));
  TRY(ToStop());
  bool read =
      memory_.Read(home_.scratch, calls_.data(), calls.size()) &&
      (room_.empty() || memory_.Read(home_.scratch + kRoomOffset, room_.data(), room_.size()));
  if (!read) return Error(0, "its memory can't be read", task_.tid);
  return {};
}

Result<uint64_t> Injection::Call(const BatchCall& call) {
  Registers registers = task_.registers;
  machine::SetCall(registers, call.number, call.args);
  TRY(Aim(registers, machine::Inject().call));
  TRY(ToStop());
  TRY(ptracer::GetRegisters(task_.tid, registers));
  return machine::InjectResult(registers);
}

Status Injection::Aim(Registers registers, uint64_t code) {
  machine::ForgetSyscall(registers);
  SetPc(registers, site_.address + code);
  TRY(ptracer::SetRegisters(task_.tid, registers));
  uint64_t own_stop = home_.stop_signal == 0 ? 0 : BitOf(home_.stop_signal);
  return ptracer::SetSigmask(task_.tid, ~own_stop);
}

Status Injection::ToStop() {
  const uint64_t wanted = site_.address + machine::Inject().stopped;
  for (;;) {
    TRY(ptracer::Resume(task_.tid,
                        home_.stop_signal == 0 ? ResumeKind::kToSyscall : ResumeKind::kContinue));
    auto status = TRY(ptracer::WaitOne(task_.tid, kCallBound));
    if (!status) {
      return Error(ETIMEDOUT,
                   fmt::format("a call made in its name took over {} s", kCallBound / 1000),
                   task_.tid);
    }
    switch (status->kind()) {
      case StopKind::kExited:
      case StopKind::kKilled:
        entered_ = false;
        return Error(ESRCH, "it ended while it was being looked at", task_.tid);
      case StopKind::kSignal:
        // The own one, or one of that number from elsewhere, which means nothing to the task.
        if (status->signal() == home_.stop_signal) break;
        // Only SIGSTOP comes through; it is sent again at the end.
        if (status->signal() != SIGSTOP) {
          return Error(
              0, fmt::format("an injected call was interrupted by signal {}", status->signal()),
              task_.tid);
        }
        stop_met_ = true;
        continue;
      case StopKind::kSyscall:
        break;
      default:
        continue;
    }
    Registers registers;
    TRY(ptracer::GetRegisters(task_.tid, registers));
    if (Pc(registers) != wanted) continue;
    // Without a signal, at the end of the call that would have sent it, not at its begin.
    if (status->kind() == StopKind::kSyscall && machine::ResultOf(registers) != 0) continue;
    return {};
  }
}

Result<pid_t> Injection::StartHelper() {
  if (home_.stop_signal == 0)
    return Error(0, "it uses each signal that it could be stopped by", task_.tid);
  TRY(ptracer::SetOptions(task_.tid, trace_options_ | PTRACE_O_TRACECLONE));
  Registers registers = task_.registers;
  BatchCall clone = MakeCall(Sys::clone, CLONE_VM);
  machine::SetCall(registers, clone.number, clone.args);
  TRY(Aim(registers, machine::Inject().clone));
  TRY(ptracer::Resume(task_.tid, ResumeKind::kContinue));
  auto status = TRY(ptracer::WaitOne(task_.tid, kCallBound));
  TRY(ptracer::SetOptions(task_.tid, trace_options_));
  if (!status) return Error(ETIMEDOUT, "it doesn't make a process", task_.tid);
  if (status->kind() != StopKind::kNewTask) {
    // It made none, and is at its stop by now.
    TRY(ptracer::GetRegisters(task_.tid, registers));
    return Error(static_cast<int>(-machine::InjectResult(registers)), "it can't make a process",
                 task_.tid);
  }
  auto helper = static_cast<pid_t>(TRY(ptracer::EventMessage(task_.tid)));
  auto first = TRY(ptracer::WaitOne(helper, kCallBound));
  if (!first || first->gone()) return Error(ESRCH, "a process that it made is gone", helper);
  TRY(ptracer::SetOptions(helper, trace_options_ | PTRACE_O_TRACECLONE | PTRACE_O_EXITKILL));
  return helper;
}

Status Injection::EndHelper(pid_t helper) {
  ptracer::KillAndReap(helper);
  return ToStop();
}

Status Injection::Restore() {
  entered_ = false;
  // The mask first: the way home, which the registers are still on, would set the same.
  TRY(ptracer::SetSigmask(task_.tid, task_.signal_mask));
  const bool hidden = machine::StopsHideCalls();
  TRY(ptracer::SetRegisters(task_.tid, hidden ? home_.registers : task_.registers));
  std::vector<uint8_t> zeros(machine::Inject().code.size());
  TRY(memory_.ForceWrite(site_.address, zeros));
  if (hidden && task_.call.number >= 0 && SignalWaits(task_.tid)) TRY(LeadIntoCall());
  if (stop_met_) kill(task_.tid, SIGSTOP);
  return {};
}

// The kernel knows no more that the task was in a call. A signal would be handled before the call,
// which then would wait for what the signal was to end; so the task must be in it again first. (Not
// where none waits: detached at a call's entry, a task finds a signal pending that isn't there.)
Status Injection::LeadIntoCall() {
  TRY(ptracer::SetSigmask(task_.tid, ~uint64_t{0}));
  for (;;) {
    TRY(ptracer::Resume(task_.tid, ResumeKind::kToSyscall));
    auto status = TRY(ptracer::WaitOne(task_.tid, kCallBound));
    if (!status) return Error(ETIMEDOUT, "it doesn't go back into its call", task_.tid);
    if (status->gone()) return Error(ESRCH, "it ended while it was being looked at", task_.tid);
    if (status->kind() == StopKind::kSyscall) break;
    // No other signal comes through.
    if (status->kind() == StopKind::kSignal && status->signal() == SIGSTOP) stop_met_ = true;
  }
  return ptracer::SetSigmask(task_.tid, task_.signal_mask);
}

Status Injection::End() {
  uint64_t result = 0;
  if (home_.scratch_size != 0) {
    BatchCall unmap = MakeCall(Sys::munmap, home_.scratch, home_.scratch_size);
    home_.scratch_size = 0;
    TRY(WriteTable());
    result = TRY(Call(unmap));
  }
  TRY(Restore());
  if (result != 0)
    return Error(static_cast<int>(-result), "it can't give back what calls needed", task_.tid);
  return {};
}

}  // namespace retake
