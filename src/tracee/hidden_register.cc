#include "tracee/hidden_register.h"

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

}  // namespace retake
