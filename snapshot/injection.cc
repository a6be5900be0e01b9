#include "snapshot/injection.h"

#include <signal.h>
#include <sys/mman.h>

#include <algorithm>

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

Result<std::unique_ptr<Injection>> Injection::Begin(const FrozenTask& task,
                                                    const TaskMemory& memory,
                                                    const InjectionSite& site) {
  std::unique_ptr<Injection> injection(new Injection(task, memory, site));
  TRY(injection->Enter());
  return injection;
}

Injection::~Injection() {
  // Only after a failure, and then the task goes back by itself once it is let go.
  if (entered_) (void)Leave();
}

Status Injection::WriteTable() {
  return memory_.ForceWrite(site_.address + machine::Inject().table, machine::InjectTable(home_));
}

Status Injection::Enter() {
  home_.registers = machine::Resumable(task_.registers, /*same_kernel_task=*/true);
  home_.signal_mask = task_.signal_mask;
  TRY(memory_.ForceWrite(site_.address, machine::Inject().code));
  TRY(WriteTable());
  // From here on the task must not run its own code with the mask of the injected: registers first,
  // whose way home sets the mask.
  BatchCall map = MakeCall(Sys::mmap, 0, kScratchSize, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS, ~uint64_t{0}, 0);
  TRY(Aim(map));
  entered_ = true;
  TRY(ptracer::SetSigmask(task_.tid, ~uint64_t{0}));
  uint64_t address = TRY(Call(map));
  if (CallFailed(address)) {
    return Error(static_cast<int>(-address), "it can't map the memory that calls need", task_.tid);
  }
  home_.scratch = address;
  home_.scratch_size = kScratchSize;
  return WriteTable();
}

Status Injection::ToSyscallStop() {
  for (;;) {
    TRY(ptracer::Resume(task_.tid, ResumeKind::kToSyscall));
    auto status = TRY(ptracer::WaitOne(task_.tid, -1));
    switch (status->kind()) {
      case StopKind::kSyscall:
        return {};
      case StopKind::kExited:
      case StopKind::kKilled:
        entered_ = false;
        return Error(ESRCH, "it ended while it was being looked at", task_.tid);
      case StopKind::kSignal:
        // Only SIGSTOP comes through; it is sent again at the end.
        if (status->signal() != SIGSTOP) {
          return Error(
              0, fmt::format("an injected call was interrupted by signal {}", status->signal()),
              task_.tid);
        }
        stop_met_ = true;
        break;
      default:
        break;
    }
  }
}

Status Injection::Aim(const BatchCall& call) {
  Registers registers = task_.registers;
  machine::ForgetSyscall(registers);
  machine::SetCall(registers, call.number, call.args);
  SetPc(registers, site_.address + machine::Inject().call);
  return ptracer::SetRegisters(task_.tid, registers);
}

Result<uint64_t> Injection::Call(const BatchCall& call) {
  TRY(Aim(call));
  TRY(ToSyscallStop());
  TRY(ToSyscallStop());
  Registers registers;
  TRY(ptracer::GetRegisters(task_.tid, registers));
  return static_cast<uint64_t>(machine::ResultOf(registers));
}

Status Injection::Leave() {
  entered_ = false;
  TRY(ptracer::Interrupt(task_.tid));
  for (bool stopped = false; !stopped;) {
    TRY(ptracer::Resume(task_.tid, ResumeKind::kContinue));
    auto status = TRY(ptracer::WaitOne(task_.tid, -1));
    if (status->gone()) return Error(ESRCH, "it ended while it was being looked at", task_.tid);
    if (status->kind() == StopKind::kSignal) stop_met_ = true;
    stopped = status->kind() == StopKind::kEventStop || status->kind() == StopKind::kGroupStop;
  }
  // The mask first: the way home, which the registers are still on, would set the same.
  TRY(ptracer::SetSigmask(task_.tid, task_.signal_mask));
  TRY(ptracer::SetRegisters(task_.tid, task_.registers));
  std::vector<uint8_t> zeros(machine::Inject().code.size());
  TRY(memory_.ForceWrite(site_.address, zeros));
  if (stop_met_) kill(task_.tid, SIGSTOP);
  return {};
}

Status Injection::End() {
  BatchCall unmap = MakeCall(Sys::munmap, home_.scratch, home_.scratch_size);
  home_.scratch_size = 0;
  TRY(WriteTable());
  uint64_t result = TRY(Call(unmap));
  if (result != 0)
    return Error(static_cast<int>(-result), "it can't give back what calls needed", task_.tid);
  return Leave();
}

}  // namespace retake
