// CodeGuard: keeps a program from writing to code that is patched, for a while.
//
// A just-in-time compiler may write the very instruction that is waited for, over a breakpoint that
// nobody has come to yet. So where the program can write to the patched code, by this mapping or by
// another one of the same memory, that is protected; a write faults, and the tracer takes the patch
// out, lets the write happen, and looks again.
//
// The process's mappings are otherwise as before: whoever looks at them, or at what can be written,
// has to lower the guard.
#ifndef RETAKE_REPLAY_CODE_GUARD_H_
#define RETAKE_REPLAY_CODE_GUARD_H_

#include <signal.h>
#include <sys/types.h>

#include <cstdint>
#include <vector>

#include "arch/arch.h"
#include "base/result.h"
#include "tracee/memory.h"

namespace retake {

class CodeGuard {
 public:
  // Guards nothing.
  explicit CodeGuard(pid_t pid) : pid_(pid) {}
  // For `size` bytes at `site`. It is lowered. The mappings must stay as they are while it is used.
  static Result<CodeGuard> For(pid_t pid, uint64_t site, uint64_t size);

  // Whether the program can write there at all. If not, there is nothing to raise and to lower.
  bool is_needed() const { return !pages_.empty(); }
  bool is_raised() const { return raised_; }

  // The task must be stopped, in no call, with no signal pending that nobody can block. `registers`
  // are its own now; they are set again.
  Status Raise(TaskMemory& memory, const Registers& registers) {
    return Protect(memory, registers, true);
  }
  Status Lower(TaskMemory& memory, const Registers& registers) {
    return Protect(memory, registers, false);
  }
  // Whether it is this guard that made the task stop with this signal.
  bool Stopped(const siginfo_t& info) const;

 private:
  struct Pages {
    uint64_t start, end;
    uint32_t prot;  // the program's
  };
  Status Protect(TaskMemory& memory, const Registers& registers, bool raise);

  pid_t pid_;
  std::vector<Pages> pages_;
  bool raised_ = false;
};

}  // namespace retake

#endif  // RETAKE_REPLAY_CODE_GUARD_H_
