// CodePatch: other bytes, a breakpoint or a jump, in a process's code in place of what was there.
//
// Written through /proc/PID/mem, which ignores page protections and gives a private file mapping a
// page of its own; nothing that only reads or executes the code afterwards can tell. No other task
// that executes the code may run meanwhile: it would trap too.
#ifndef RETAKE_TRACEE_CODE_PATCH_H_
#define RETAKE_TRACEE_CODE_PATCH_H_

#include <cstdint>
#include <vector>

#include "arch/arch.h"
#include "arch/code.h"
#include "base/result.h"
#include "tracee/memory.h"

namespace retake {

class CodePatch {
 public:
  // Replaces the bytes at `address`, and keeps them.
  static Result<CodePatch> Put(const TaskMemory& memory, uint64_t address, ByteSpan bytes) {
    CodePatch patch(address);
    patch.original_.resize(bytes.size());
    if (!memory.Read(address, patch.original_.data(), bytes.size())) {
      return Error(EFAULT, fmt::format("can't read the code at {:#x}", address), memory.pid());
    }
    TRY(memory.ForceWrite(address, bytes));
    return patch;
  }
  static Result<CodePatch> PutBreakpoint(const TaskMemory& memory, uint64_t address) {
    return Put(memory, address, machine::BreakpointInstruction());
  }
  // Puts the original bytes back.
  Status Remove(const TaskMemory& memory) const { return memory.ForceWrite(address_, original_); }

  uint64_t address() const { return address_; }
  ByteSpan original() const { return original_; }

 private:
  explicit CodePatch(uint64_t address) : address_(address) {}

  uint64_t address_;
  std::vector<uint8_t> original_;
};

}  // namespace retake

#endif  // RETAKE_TRACEE_CODE_PATCH_H_
