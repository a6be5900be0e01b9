// Husk: an empty process that a trace's image is rebuilt in.
//
// A tiny static program is started, seized, given the stub page, and confined by a seccomp filter
// to what rebuilding and replaying need: mapping calls, protection keys, a fork, exit; and these
// from the stub's page only. So replaying a trace that a stranger made can do nothing else. It
// holds no descriptor but the trace's objects.
#ifndef RETAKE_SNAPSHOT_HUSK_H_
#define RETAKE_SNAPSHOT_HUSK_H_

#include <sys/types.h>

#include <memory>
#include <span>
#include <vector>

#include "base/fd.h"
#include "snapshot/image.h"
#include "stub/layout.h"
#include "tracee/memory.h"
#include "tracee/remote_calls.h"

namespace retake {

// The husk program as a file to execute: a memfd, or, where those are refused, an unlinked
// temporary file.
Result<Fd> HuskProgram();
// In a new process: becomes the husk. Only calls that are safe behind a clone.
[[noreturn]] void ExecHusk(int program);
// Seizes that process, writes the byte to `go` that it waits for, and brings it to the end of its
// exec call, the husk's first stop. Its memory; if that fails, it is gone.
Result<TaskMemory> AwaitHusk(pid_t pid, int go, uint64_t trace_options);

class Husk {
 public:
  struct Options {
    std::vector<int> object_fds;  // in the order of the trace's objects; the husk has them under
                                  // the same numbers
    uint64_t stack_limit = 0;     // RLIMIT_STACK of the recorded program, bytes
    bool timestamp_traps = true;  // its reads of the time-stamp counter are to trap
  };
  static Result<std::unique_ptr<Husk>> Spawn(const Options& options);

  Husk(const Husk&) = delete;
  Husk& operator=(const Husk&) = delete;
  // Kills and reaps the process.
  ~Husk();

  // Resumes it until the next call of the program's, which isn't made. By PTRACE_SYSEMU, which
  // comes before any filter; or, where the stops of that hide a register, to the filter's own stop.
  // An outer filter can come before that one: if there is any, it is PTRACE_SYSEMU, and Uncover.
  Status ResumeToCall() const;
  // At a call's entry: completes the registers read there by what the stop hides, and brings the
  // husk to a stop where all of them can be set; it has these then.
  Status Uncover(Registers& registers);

  pid_t pid() const { return pid_; }
  TaskMemory& memory() { return memory_; }
  const TaskMemory& memory() const { return memory_; }

  // A call has changed what an exec resets, and Load() doesn't: protection keys, for one. True of
  // its copies too.
  void NoteMoreThanMemory() { more_than_memory_ = true; }
  bool has_more_than_memory() const { return more_than_memory_; }

  // A copy, by a fork in place. The husk is at a stop with `registers`, and is left with others.
  Result<std::unique_ptr<Husk>> Fork(const Registers& registers);

  // Empties the process and builds the image in it, registers and vector state included.
  Status Load(const Image& image, std::span<const int> object_fds);

  // Makes mapping calls as they are. Registers are left changed.
  Status Run(const Registers& registers, std::span<BatchCall> calls);

 private:
  Husk(pid_t pid, TaskMemory memory) : pid_(pid), memory_(std::move(memory)) {}

  Status Unmap(const Registers& registers);
  Status Fill(const Image& image);

  pid_t pid_;
  TaskMemory memory_;
  bool more_than_memory_ = false;
};

}  // namespace retake

#endif  // RETAKE_SNAPSHOT_HUSK_H_
