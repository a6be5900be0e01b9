// Redirection: a call that blocks, made with buffers of ours in place of the program's.
//
// The kernel fills the buffers of a blocked call when it likes, while other tasks that share the
// memory run: at no event, so a replay couldn't tell when. And it reads what a blocked call writes
// out while they may change it. So a call that may block, of a task that shares its memory, is
// given buffers in a scratch area that the program doesn't know of; nested ones too (iovec,
// msghdr). What the kernel wrote there is copied at the event of the call's end.
#ifndef RETAKE_REPLAY_REDIRECTION_H_
#define RETAKE_REPLAY_REDIRECTION_H_

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "replay/event.h"
#include "stub/layout.h"
#include "syscalls/table.h"
#include "tracee/memory.h"

namespace retake {

// The scratch area of a process: at a fixed place behind the stub, in no replay. Hands out pieces.
class Scratch {
 public:
  bool mapped = false;

  // Zero if there is no room.
  uint64_t Allocate(uint64_t size);
  void Free(uint64_t address) { used_.erase(address); }
  // After a fork: no call is in progress in the copy.
  void FreeAll() { used_.clear(); }

 private:
  std::map<uint64_t, uint64_t> used_;  // start to size
};

class Redirection {
 public:
  // Points what arguments of the call can be moved at scratch memory, in `made`. nullopt if there
  // was nothing to move.
  static std::optional<Redirection> Make(const Row& row, const Call& call, const TaskMemory& memory,
                                         Scratch& scratch, Registers& made);

  // Gives writes that were read from the scratch area their true addresses, and makes them in the
  // program's memory; `result` is what the kernel answered. False if the program's buffer isn't
  // writable: what the kernel would have called EFAULT.
  bool Finish(const TaskMemory& memory, Event& event, size_t first_write, int64_t result) const;
  // Gives the memory back.
  void Release(Scratch& scratch) const;

 private:
  // Which bytes of a buffer the kernel writes. What another task wrote into the others meanwhile
  // stands.
  struct Layout;
  struct Piece {
    uint64_t scratch;
    uint64_t real;
    uint64_t size;
    const Layout* layout = nullptr;  // null: all of what the table says
  };
  // A word in the scratch area that points there, and what the program had in its place.
  struct Pointer {
    uint64_t at;
    uint64_t real;
  };
  class Maker;

  // Splits a write to the piece into what the kernel wrote.
  static void Split(const Piece& piece, Event& event, size_t index, int64_t result);

  std::vector<Piece> pieces_;
  std::vector<Pointer> pointers_;
};

}  // namespace retake

#endif  // RETAKE_REPLAY_REDIRECTION_H_
