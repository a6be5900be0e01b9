#include "snapshot/memory_copy.h"

#include "tracee/ptrace.h"

namespace retake {
namespace {

constexpr int kBound = 60'000;  // ms; a fork takes some 15 ms for each GiB

// Has the helper make one call, up to the stop behind it or at the process that it makes.
Result<WaitStatus> MakeOne(pid_t helper, uint64_t syscall_address, const BatchCall& call) {
  Registers registers;
  TRY(ptracer::GetRegisters(helper, registers));
  machine::ForgetSyscall(registers);
  machine::SetCall(registers, call.number, call.args);
  SetPc(registers, syscall_address);
  TRY(ptracer::SetRegisters(helper, registers));
  std::optional<WaitStatus> status;
  // The stop at its begin, and the one at its end.
  for (int stop = 0; stop < 2; ++stop) {
    TRY(ptracer::Resume(helper, ResumeKind::kToSyscall));
    status = TRY(ptracer::WaitOne(helper, kBound));
    if (!status) return Error(ETIMEDOUT, "a copy of the memory isn't made", helper);
    if (status->gone()) return Error(ESRCH, "the maker of a copy of the memory is gone", helper);
  }
  return *status;
}

Result<pid_t> ForkIn(pid_t helper, uint64_t syscall_address) {
  // The copy mustn't keep open what the original closes. A kernel without the call leaves it so.
  TRY(MakeOne(helper, syscall_address, MakeCall(Sys::close_range, 0, ~0U)));
  WaitStatus status = TRY(MakeOne(helper, syscall_address, MakeCall(Sys::clone)));
  if (status.kind() == StopKind::kNewTask)
    return static_cast<pid_t>(TRY(ptracer::EventMessage(helper)));
  Registers registers;
  TRY(ptracer::GetRegisters(helper, registers));
  return Error(static_cast<int>(-machine::ResultOf(registers)), "its memory can't be copied",
               helper);
}

}  // namespace

Result<std::unique_ptr<MemoryCopy>> MemoryCopy::Take(Injection& injection) {
  pid_t helper = TRY(injection.StartHelper());
  Result<pid_t> copy = ForkIn(helper, injection.syscall_address());
  if (copy.ok()) {
    auto first = TRY(ptracer::WaitOne(*copy, kBound));
    if (!first || first->gone()) copy = Error(ESRCH, "a copy of the memory is gone", *copy);
  }
  // Once killed it is init's to reap, who may take long. Until then the process's pid would be
  // taken as its group's, if the process should be restored at once.
  if (copy.ok()) (void)MakeOne(*copy, injection.syscall_address(), MakeCall(Sys::setsid));
  TRY(injection.EndHelper(helper));
  pid_t pid = TRY(std::move(copy));
  auto memory = TaskMemory::Open(pid);
  if (!memory.ok()) {
    ptracer::KillAndReap(pid);
    return memory.error();
  }
  return std::unique_ptr<MemoryCopy>(new MemoryCopy(std::move(*memory)));
}

MemoryCopy::~MemoryCopy() { ptracer::KillAndReap(memory_.pid()); }

}  // namespace retake
