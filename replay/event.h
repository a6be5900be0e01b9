// Event: one thing that entered a task from outside. The unit of a trace.
//
// A trace is a sequence of events in one total order; a replay brings each task to its next event,
// compares its registers with `before`, applies what the event holds, and sets `after`. Events name
// tasks by TaskId, never by pid. Memory bytes live in one buffer per event (`data`), which the
// other lists point into, so that a recorder can reuse one Event for millions without allocating.
#ifndef RETAKE_REPLAY_EVENT_H_
#define RETAKE_REPLAY_EVENT_H_

#include <cstdint>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "arch/arch.h"
#include "base/bytes.h"

namespace retake {

// Index of a task in its trace: 0 is the first, and numbers are never used again.
using TaskId = uint32_t;

enum class EventKind : uint8_t {
  kExec = 1,   // the task's process begins with image `image` (the first event of every trace; each
               // exec after)
  kSyscall,    // a call that returned: entry registers in `before`, exit registers in `after`
  kEntered,    // a call that blocks was entered (others of its share-group run next)
  kCompleted,  // ... and has now returned
  kSignal,     // asynchronous signal `signal`: handler frame is in `writes`, handler registers in
               // `after`
  kFault,      // synchronous signal: the replay runs to the fault itself, then applies the frame
  kRegistersChanged,  // the kernel changed registers without a frame (an ignored signal restarts a
                      // call)
  kTimestamp,         // the time-stamp counter was read
  kCpuid,             // cpuid was executed
  kPreemption,        // the task was stopped while it computed
  kTaskNew,   // `task` made task `new_task` (fork, vfork, clone); its registers are `after`, on
              // `task`'s behalf
  kTaskGone,  // `task` is gone, with wait status `wait_status`
  kMemoryChanged,  // memory of `task`'s process was changed from elsewhere
  kFirstRun,       // execution comes to code that the program made, a page of it
  kFirstRunEnd,    // ... and has left the page again: the replay steps until it does
  kLast = kFirstRunEnd,
};

// "syscall", "task-new", ...
std::string_view EventKindName(EventKind kind);

// Bytes [offset, offset + size) of Event::data, to be written at `address`.
struct MemoryWrite {
  uint64_t address = 0;
  uint32_t offset = 0;
  uint32_t size = 0;
  bool operator==(const MemoryWrite&) const = default;
};

// Bytes of Event::data that stood at `address` when the call was made: paths, small inputs. For
// `dump`, and for a replay to compare: it has them in its own memory.
using MemoryPreview = MemoryWrite;

// A change of a process's mappings, in terms that a replay executes without knowing the syscall
// that made it. All addresses and sizes are whole pages.
struct MapOp {
  enum class Kind : uint8_t {
    kMapAnonymous = 1,  // private, zero
    kMapBlob,           // private, from blob `object` at `offset`
    kMapShared,         // shared, from the shared object `object` at `offset`
    kUnmap,
    kProtect,  // prot; `extra` is the protection key, or ~0
    kRemap,    // from [address, size) to [new_address, new_size); flags as mremap's
    kAdvise,   // flags is the advice
    kRawCall,  // a call the replay makes as it was made: number `flags`, arguments address, size,
               // prot, offset
    kDiscard,  // make [address, size) zero pages again (MADV_DONTNEED on anonymous memory)
    kLast = kDiscard,
  };
  Kind kind = Kind::kUnmap;
  uint64_t address = 0;
  uint64_t size = 0;
  uint32_t prot = 0;
  uint32_t flags = 0;   // MAP_GROWSDOWN, MAP_STACK, ... as meant for the kind
  uint32_t object = 0;  // index into the trace's objects
  uint64_t offset = 0;  // into the object, bytes
  uint64_t new_address = 0;
  uint64_t new_size = 0;
  uint64_t extra = 0;
  bool operator==(const MapOp&) const = default;
};

// How a new task relates to the one that made it.
enum class TaskSharing : uint8_t {
  kProcess = 1,  // fork: a copy of the address space
  kBorrowed,     // vfork, posix_spawn: runs in its parent's address space until exec or exit
  kThread,       // shares the address space for good
};

// Where written bytes are shown again.
enum class EchoTarget : uint8_t { kNone, kStdout, kStderr, kTerminal };

struct Event {
  EventKind kind = EventKind::kSyscall;
  TaskId task = 0;
  uint64_t sequence = 0;  // position in the trace, from 0

  Registers before;  // when the event came
  Registers after;   // when the task went on

  std::vector<MemoryWrite> writes;
  std::vector<MemoryPreview> previews;
  std::vector<MapOp> map_ops;         // applied before `writes`
  std::vector<uint8_t> vector_state;  // the vector regset after the event; empty if unchanged
  std::vector<uint8_t> mark;          // kPreemption: the rest of its StateMark (EncodeMark)
  std::vector<uint8_t> data;

  // kSyscall, kEntered, kCompleted: pieces of the task's memory that the call writes somewhere.
  struct Piece {
    uint64_t address;
    uint64_t size;
    bool operator==(const Piece&) const = default;
  };
  std::vector<Piece> written;
  uint64_t written_hash = 0;  // of their bytes (XXH3), one piece after the other; 0: not taken
  // kSyscall, kCompleted: it has written them there, all of them, and they are shown again.
  EchoTarget echo = EchoTarget::kNone;
  // What was written to `echo` without ever being in the task's memory (sendfile): shown again
  // after the pieces.
  std::vector<uint8_t> echo_bytes;

  int32_t signal = 0;   // kSignal, kFault
  TaskId new_task = 0;  // kTaskNew
  int32_t pid = 0;  // kTaskNew, kExec of task 0: the recorded pid of the task, for people to read
  TaskSharing sharing = TaskSharing::kProcess;  // kTaskNew
  int32_t wait_status = 0;                      // kTaskGone: as waitpid gives it
  uint32_t image = 0;                           // kExec: index of the image among the trace's
  uint64_t memory_hash =
      0;  // of all writable pages after the event, 0 if not taken (replay --check)

  ByteSpan BytesOf(const MemoryWrite& write) const {
    return ByteSpan(data).subspan(write.offset, write.size);
  }
  // Makes room for `size` bytes to be written at `address` and returns them.
  std::span<uint8_t> AddWrite(uint64_t address, size_t size);
  std::span<uint8_t> AddPreview(uint64_t address, size_t size);
  // Empties the event, keeping its buffers.
  void Clear();

  bool operator==(const Event&) const = default;
};

// Encodes and decodes events. Registers are stored as differences from the task's previous ones, so
// an encoder and a decoder carry a state; it is reset where a section of the trace begins, which
// makes each section readable by itself. Task ids come from the input when decoding, so the state
// is as large as the number of tasks seen, whatever their ids.
class EventCodecState {
 public:
  void Reset() {
    last_.clear();
    cached_ = nullptr;
    next_sequence = 0;
  }
  // The task's registers after its last event; zeros before its first.
  Registers& Last(TaskId task) {
    if (cached_ == nullptr || cached_task_ != task) {
      cached_ = &last_[task];  // an unordered_map's elements never move
      cached_task_ = task;
    }
    return *cached_;
  }
  bool Knows(TaskId task) const { return last_.contains(task); }

  uint64_t next_sequence = 0;  // that the next event has unless it says otherwise
  ByteWriter scratch;          // the encoder's

 private:
  std::unordered_map<TaskId, Registers> last_;
  Registers* cached_ = nullptr;
  TaskId cached_task_ = 0;
};

// Appends `event` to `out`.
void EncodeEvent(const Event& event, const ArchDescription& arch, EventCodecState& state,
                 ByteWriter& out);
// Decodes the next event into `event` (cleared first). Fails on damage; never allocates more than
// the input's size justifies, and never yields an event whose lists point outside its data.
Status DecodeEvent(ByteReader& in, const ArchDescription& arch, EventCodecState& state,
                   Event& event);

}  // namespace retake

#endif  // RETAKE_REPLAY_EVENT_H_
