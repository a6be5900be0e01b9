// State match: a name for the instant at which a computing task was stopped, that a replay can find
// again without counting anything.
//
// The name is the state itself: registers, vector registers, the page under the stack pointer, and
// a digest of all memory that the process can write. A replay runs the same code from the same
// earlier state; the first time all of that is equal is the instant, or one that the program can't
// tell from it, since equal state means equal future. Registers alone would not do: one loop gave
// 6,618 passings with equal registers and other memory.
//
// Finding it must not take a stop per passing: 3 ms of a loop of 1 ns are 3 million passings, which
// at 10 us each would take half a minute. So the instruction at the mark becomes a jump to a
// trampoline that compares, inside the process, the general registers, flags, the low halves of the
// vector registers, and a few words of memory that were written just before the mark; only where
// all of these are equal does it stop, and the rest is compared. If that is another state, words of
// the memory around the mark that differ take the place of those that don't tell such states apart.
// The trampoline is mapped into a gap within a jump's reach, read-only, its data lie in the stub's;
// while the task computes nothing can look for either, and both are gone when the search ends.
//
// Where code can't be moved to a trampoline, and for the first few passings (most marks are found
// at the first), a breakpoint instruction is used instead: right, at 10 to 20 us a passing.
#ifndef RETAKE_REPLAY_STATE_MATCH_H_
#define RETAKE_REPLAY_STATE_MATCH_H_

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "arch/arch.h"
#include "arch/code.h"
#include "base/bytes.h"
#include "base/result.h"
#include "tracee/memory.h"
#include "tracee/ptrace.h"
#include "tracee/wait_status.h"
#include "tracee/writable_memory.h"

namespace retake {

// A stretch of memory, word by word.
struct WordRun {
  uint64_t address = 0;  // a multiple of 8
  std::vector<uint64_t> values;
  bool operator==(const WordRun&) const = default;
};

struct StateMark {
  Registers registers;          // as ptrace gives them
  std::vector<uint8_t> vector;  // the whole vector regset
  uint64_t stack_hash = 0;      // of the 4 KiB around the stack pointer; 0 if they can't be read
  // Words that had changed just before; at most machine::kMaxComparedWords. Nothing but a help:
  // `memory` covers them.
  std::vector<machine::WordValue> words;
  // Where a search that comes to passings which `words` don't tell apart looks for some that do: a
  // stack holds what the callers of a loop count. Nothing but a help, too.
  std::vector<WordRun> surroundings;
  MemoryDigest memory;

  bool operator==(const StateMark&) const = default;
};

// A mark as bytes, but for its registers and its vector state, which an event has fields for.
void EncodeMark(const StateMark& mark, ByteWriter& out);
// Reads it back; `mark`'s registers and vector state are left alone. A damaged mark fails the
// reader.
void DecodeMark(ByteReader& in, StateMark& mark);

struct MarkOutcome {
  enum class Kind : uint8_t {
    kMarked,
    kBeforeCall,  // the task is about to execute a syscall instruction: that will do as a boundary
    kStopped,     // another stop came: `status`; to be dealt with as any stop
  };
  Kind kind = Kind::kMarked;
  StateMark mark;       // kMarked
  Registers registers;  // the task's now
  WaitStatus status;    // kStopped
  // A stop that we asked for is still to come, and means nothing (kStopped).
  bool trap_pending = false;
};

// Marks instants of the tasks of one address space.
class StateMarker {
 public:
  // Lets the task go on. If `watched` says how it goes on when it is recorded, that is now and then
  // for two milliseconds, to see which words it changes meanwhile; and then for some instructions,
  // at about 10 us each, to learn what a round of its loop changes in memory and to where a jump
  // can be placed well. Then marks where it is. At a place not marked before that takes at least
  // `steps`, and until the round is closed, at most kMostSteps; where it has been marked before,
  // only until it comes there again. With 0 steps the mark is where it is, unless that is inside of
  // a repeated instruction.
  //
  // The task must be ptrace-stopped in user code, not in a syscall; a signal that it is stopped
  // with is dropped, and is the caller's to keep. Every other task that shares memory with it must
  // be stopped, and stay so until the mark has been taken. The memory is read whole: 0.1 ms for
  // small processes, 60 ms and more at 300 MiB.
  Result<MarkOutcome> Mark(pid_t pid, const TaskMemory& memory, uint32_t steps = kDefaultSteps,
                           std::optional<ResumeKind> watched = std::nullopt);

  static constexpr uint32_t kDefaultSteps = 24;
  static constexpr uint32_t kMostSteps = 240;

 private:
  // Lets the task go on for a moment; nullopt if it is then stopped where it computes.
  static Result<std::optional<MarkOutcome>> Compute(pid_t pid, ResumeKind resume);
  // The same, to see which words it changes.
  Result<std::optional<MarkOutcome>> Watch(pid_t pid, const TaskMemory& memory, ResumeKind resume);

  // What a task was seen to change.
  struct Changing {
    std::vector<uint64_t> addresses;
    std::vector<WordRun> words;  // as they were at its last mark
    int64_t watched_at = 0;      // ms, CLOCK_MONOTONIC
    int64_t cost = 0;            // ms: what that took
  };
  // Whether what was seen is old, or the task does something else since.
  static bool IsStale(const Changing& changing, const TaskMemory& memory);

  std::map<pid_t, Changing> changing_;
  // Of a place that has been marked: words that tell its passings apart, as they were at the last
  // mark.
  using Words = std::vector<machine::WordValue>;
  std::map<uint64_t, Words> sites_;
};

struct MatchOptions {
  // Ends the search after so long; 0: never. Milliseconds. To be chosen generously: a replay that
  // diverged in a loop passes for ever.
  int64_t limit = 0;
  // How the task is let go on: kEmulate for a husk.
  ResumeKind resume = ResumeKind::kEmulate;
  // Passings to look at by breakpoint before a trampoline is made.
  uint32_t breakpoint_passings = 8;
  // Never make one (for a machine that refuses, and for tests).
  bool breakpoints_only = false;
};

struct MatchOutcome {
  enum class Kind : uint8_t {
    kMatched,  // the task is stopped at the marked state
    kStopped,  // it came to another stop first: `status` (a call, a fault, its end): it diverged
    kLimit,    // not found within the limit; the task is stopped somewhere
  };
  Kind kind = Kind::kMatched;
  Registers registers;      // the task's now, unless it is gone
  WaitStatus status;        // kStopped
  uint64_t passings = 0;    // of the marked instruction, so far as they were counted
  uint64_t candidates = 0;  // passings whose memory had to be looked at
  bool in_process = false;  // a trampoline did the comparing
};

// Runs the task until its state is the mark's, which may be at once. The task must be
// ptrace-stopped in user code with the stub page installed, in the traced process or husk; other
// tasks that share its memory must be stopped. Signals sent from outside are dropped on the way.
// Whatever comes, the program's code and mappings are as they were.
Result<MatchOutcome> RunToState(pid_t pid, TaskMemory& memory, const StateMark& mark,
                                const MatchOptions& options = {});

}  // namespace retake

#endif  // RETAKE_REPLAY_STATE_MATCH_H_
