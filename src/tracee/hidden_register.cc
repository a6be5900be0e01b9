#include "tracee/hidden_register.h"

#include "tracee/ptrace.h"
#include "tracee/wait_status.h"

namespace retake {

void CopyHiddenRegister(const Registers& from, Registers& to) {
  if (auto hidden = machine::HiddenAtSyscallStops())
    to.words[hidden->word] = from.words[hidden->word];
}

void CompleteExit(Sys sys, const Registers& entry, const TaskMemory& memory, Registers& exit) {
  auto hidden = machine::HiddenAtSyscallStops();
  if (!hidden) return;
  uint64_t value = entry.words[hidden->word];
  if (sys == Sys::rt_sigreturn) {
    // A frame that can't be read gives no exit stop but a SIGSEGV.
    memory.ReadValue(entry.words[HostArch().sp] + hidden->signal_frame_offset, &value);
  }
  exit.words[hidden->word] = value;
  machine::ForgetSyscall(exit);
}

Status LeaveCallStop(pid_t tid) {
  if (!machine::HiddenAtSyscallStops()) return {};
  constexpr int kBound = 5'000;  // ms
  TRY(ptracer::Interrupt(tid));
  TRY(ptracer::Resume(tid, ResumeKind::kContinue));
  auto status = TRY(ptracer::WaitOne(tid, kBound));
  if (!status || status->kind() != StopKind::kEventStop)
    return Error(status ? 0 : ETIMEDOUT, "it doesn't stop where its registers can be set", tid);
  return {};
}

}  // namespace retake
