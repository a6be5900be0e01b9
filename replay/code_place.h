// CodePlace: memory for some code of ours in a stopped process, within a jump's reach of an
// instruction of the program's, and given back afterwards.
//
// It is a gap in the address space or, where code lies between large reservations (those of
// just-in-time compilers), a part of such a reservation that was never written. The kernel is asked
// for it by calls injected through the stub page, so that the mapping is the process's own. While
// code is there it can be read and executed, and not written: it is no part of the memory that is
// hashed. It must be given back before anything but the task's own computing happens.
#ifndef RETAKE_REPLAY_CODE_PLACE_H_
#define RETAKE_REPLAY_CODE_PLACE_H_

#include <cstdint>
#include <optional>
#include <span>

#include "base/bytes.h"
#include "base/result.h"
#include "tracee/maps.h"
#include "tracee/memory.h"
#include "tracee/remote_calls.h"

namespace retake {

class CodePlace {
 public:
  // `size` bytes no farther than `reach` from `site`, to which a jump there may lead. `mappings`
  // are the process's.
  static std::optional<CodePlace> Pick(std::span<const Mapping> mappings, const TaskMemory& memory,
                                       uint64_t site, uint64_t size, uint64_t reach);

  // Where the code begins; not at a page's start.
  uint64_t target() const { return target_; }
  bool Contains(uint64_t address) const {
    return address >= address_ && address - address_ < size_;
  }

  // Puts code at the target and makes it executable. After an error nothing is left to give back.
  Status Fill(RemoteCalls& calls, const TaskMemory& memory, ByteSpan code) const;
  Status GiveBack(RemoteCalls& calls, const TaskMemory& memory) const;

 private:
  CodePlace(uint64_t target, uint64_t size, bool reserved);

  uint64_t target_;
  uint64_t address_;  // of the first page
  uint64_t size_;
  bool reserved_;  // part of a reservation, rather than of a gap
};

}  // namespace retake

#endif  // RETAKE_REPLAY_CODE_PLACE_H_
