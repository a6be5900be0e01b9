// CompareTrampoline: a comparison put at an instruction of a stopped process (arch/code.h makes the
// code), and taken away again.
//
// Its code lies in a CodePlace, and its data in the stub's scratch space. Both are given back
// before anything but the task's own computing happens.
#ifndef RETAKE_REPLAY_COMPARE_TRAMPOLINE_H_
#define RETAKE_REPLAY_COMPARE_TRAMPOLINE_H_

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "arch/arch.h"
#include "arch/code.h"
#include "replay/code_place.h"
#include "replay/state_match.h"
#include "tracee/code_patch.h"
#include "tracee/memory.h"

namespace retake {

class CompareTrampoline {
 public:
  using Words = std::span<const machine::WordValue>;
  // At the mark's instruction, for its registers and these words. `registers` are the task's now,
  // which are set again before this returns, whatever comes. `first`, a word of them, is best
  // compared first. An error with code 0 says why this code can't have one.
  static Result<CompareTrampoline> Install(pid_t pid, TaskMemory& memory, const StateMark& mark,
                                           Words words, const Registers& registers,
                                           std::optional<size_t> first);
  // The same for other words. Leaves the jump in the code. The count of passings goes on.
  Status Expect(const TaskMemory& memory, const StateMark& mark, Words words,
                const Registers& registers);
  // Puts back the code and unmaps the trampoline. `registers` are the task's now, not in the
  // trampoline; they are set again.
  Status Remove(pid_t pid, TaskMemory& memory, const Registers& registers);
  // The same where the jump isn't in the code any more.
  Status Unmap(pid_t pid, TaskMemory& memory, const Registers& registers);

  // The jump taken out of the code for a while, and put in again.
  Status Disarm(const TaskMemory& memory) const { return patch_->Remove(memory); }
  Status Arm(const TaskMemory& memory) const { return memory.ForceWrite(patch_->address(), jump_); }

  // Whether the code, with no jump in it, is what this was made for.
  bool IsOf(const TaskMemory& memory) const;

  // Where to let the task go on that is at the instruction and needn't be compared.
  uint64_t resume_pc() const { return code_.resume_pc; }
  // What a stop at `pc` means.
  bool IsMatch(uint64_t pc) const { return pc == code_.match_pc; }
  bool IsInMiddle(uint64_t pc) const {
    return pc > patch_->address() && pc < patch_->address() + jump_.size();
  }
  bool IsUnreadableWord(uint64_t pc) const {
    return pc >= code_.first_word_pc && pc < code_.words_end_pc;
  }
  uint64_t mismatch_pc() const { return code_.mismatch_pc; }
  // Whether a task at `pc` is in the trampoline, and not at an instruction that was moved there:
  // its registers aren't the program's.
  bool IsInside(uint64_t pc) const { return place_->Contains(pc) && OriginalPc(pc) == pc; }
  // The address in the program of an instruction that was moved here; `pc` itself elsewhere.
  uint64_t OriginalPc(uint64_t pc) const;

  uint64_t Passings(const TaskMemory& memory) const;

 private:
  CompareTrampoline() = default;

  std::optional<CodePlace> place_;
  uint64_t passings_ = 0;  // before the data were last written
  machine::CompareCode code_;
  std::vector<uint8_t> original_;  // the code that the jump and the moved instructions are of
  std::vector<uint8_t> jump_;
  std::optional<CodePatch> patch_;
};

}  // namespace retake

#endif  // RETAKE_REPLAY_COMPARE_TRAMPOLINE_H_
