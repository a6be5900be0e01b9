// Who called whom: the stack of a task, for divergence reports and for people.
//
// libunwind does the walking, by .eh_frame, through accessors of our own: registers from a
// Registers, memory from a ReadableMemory (a live task or a trace), tables from the program's
// mapped objects. Where an object has no tables the frame pointer is followed. All of it may be
// garbage, as what is looked at here often is: depth and reads are bounded, and a stack that makes
// no sense gives a short trace, never an error.
#ifndef RETAKE_REPLAY_STACK_TRACE_H_
#define RETAKE_REPLAY_STACK_TRACE_H_

#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "arch/arch.h"
#include "base/bytes.h"
#include "base/readable_memory.h"
#include "base/result.h"

namespace retake {

inline constexpr size_t kMaxFrames = 64;

// A mapping of the program, as far as a stack trace looks at it.
struct MappedObject {
  uint64_t address = 0;
  uint64_t size = 0;
  uint64_t offset = 0;  // into the file
  uint32_t prot = 0;    // PROT_*
  std::string name;     // as /proc/PID/maps shows it
  // The whole file's contents, from the trace's blob; empty where there is none (the vDSO,
  // generated code), and then the memory is looked at instead. Not owned.
  ByteSpan bytes;
};

struct Frame {
  uint64_t pc = 0;       // the next instruction to run there: of a caller, the return address
  std::string function;  // demangled; empty if not known
  uint64_t offset =
      0;  // of pc from the function's beginning; from the object's, if that isn't known
  std::string object;   // MappedObject::name; empty where nothing is mapped
  bool signal = false;  // the frame that the kernel made for a signal handler
};

// The stack from the innermost frame outwards: at least one frame, at most kMaxFrames. For host's
// registers only.
std::vector<Frame> Unwind(const Registers& registers, const ReadableMemory& memory,
                          std::span<const MappedObject> mappings);

// One line a frame, as gdb prints them, each with a newline:
//   #0  0x00007f5b8c0e1a74 in raise+0x10 (libc.so.6)
//   #1  <signal handler called>
//   #2  0x0000555555555160 in ?? (guest+0x1160)
std::string FormatStack(std::span<const Frame> frames);

// A file's contents, mapped read-only: for MappedObject::bytes. A file that is cut short while
// mapped is fatal (SIGBUS): for the trace's own blobs.
class MappedFile {
 public:
  static Result<MappedFile> Map(int fd);
  MappedFile() = default;
  MappedFile(MappedFile&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}
  MappedFile& operator=(MappedFile&& other) noexcept {
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~MappedFile();

  ByteSpan bytes() const { return bytes_; }

 private:
  explicit MappedFile(ByteSpan bytes) : bytes_(bytes) {}
  ByteSpan bytes_;
};

}  // namespace retake

#endif  // RETAKE_REPLAY_STACK_TRACE_H_
