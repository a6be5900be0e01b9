// The syscall table: one row per syscall of both architectures, up to Linux 6.18. The filter, the
// recorder, `dump`, the support page in docs/ and the tests are all made from it.
//
// A row says what the arguments are, what the kernel writes where (so that a recorder can keep it
// and a decoder can show it), whether the call may block, what it does to the address space and the
// fd table, whether a replay executes it, and what becomes of it when recording.
#ifndef RETAKE_SYSCALLS_TABLE_H_
#define RETAKE_SYSCALLS_TABLE_H_

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "arch/arch.h"
#include "base/readable_memory.h"

namespace retake {

// What happens to a syscall (DESIGN 1).
enum class Disposition : uint8_t { kAllow, kStub, kNotify, kStop, kDeny };

// What a call does to the caller's mappings. The recorder has a handler for each.
enum class MapEffect : uint8_t {
  kNone,
  kMap,      // mmap
  kUnmap,    // munmap
  kProtect,  // mprotect, pkey_mprotect
  kRemap,    // mremap
  kBrk,
  kAdvise,    // madvise
  kAttach,    // shmat, shmdt
  kExecuted,  // replay makes the call as it was made (pkey_alloc, AMX permission, LDT)
  kExec,      // execve, execveat
};

// What a call does to the caller's fd table, so far as caches of what a descriptor is must know.
enum class FdEffect : uint8_t {
  kNone,
  kOpens,       // the result is a new descriptor
  kCloses,      // args[0] is closed
  kReplaces,    // args[1] is closed and made anew (dup2, dup3)
  kClosesMany,  // close_range, unshare, exec: forget all
};

// What a call does to tasks and signals; each has a handler in the supervisor.
enum class TaskEffect : uint8_t {
  kNone,
  kCreates,     // fork, vfork, clone, clone3
  kExits,       // exit
  kExitsGroup,  // exit_group
  kSigaction,   // rt_sigaction
  kSigmask,     // rt_sigprocmask and what else sets the mask for good
  kSigreturn,   // rt_sigreturn
};

// Writes bytes to the file of a descriptor: `fd_arg` is its index. For showing output again, and
// for noticing writes into mapped files.
enum class WriteSource : uint8_t {
  kNone,
  kBuffer,   // args[1], result bytes (write, pwrite64, sendto)
  kVector,   // args[1] iovec, args[2] count (writev, pwritev)
  kMessage,  // args[1] msghdr (sendmsg)
  kFile,     // from another descriptor (sendfile, splice, copy_file_range, tee): not in memory
  kOther,    // changes the file some other way (ftruncate, fallocate)
};

struct Range {
  uint64_t address;
  uint64_t size;  // bytes
  bool operator==(const Range&) const = default;
};

// A call as its rules see it. `result` is meaningful after the call only.
struct Call {
  const ArchDescription* arch;
  Sys sys;
  int64_t number;  // as the program gave it
  std::array<uint64_t, 6> args;
  int64_t result = 0;
  const ReadableMemory* memory;  // the program's, at the time
};

struct Row;  // syscalls/row.h: the full description of one call

// The row of a syscall; every Sys but kNone has one.
const Row& RowOf(Sys sys);

// Facts that the recorder and the filter ask for, without knowing Row's layout.
Disposition RecordDisposition(const Row& row);
int DenyErrno(const Row& row);  // kDeny: the errno the program gets
MapEffect MapEffectOf(const Row& row);
FdEffect FdEffectOf(const Row& row);
TaskEffect TaskEffectOf(const Row& row);
WriteSource WriteSourceOf(const Row& row);
int WriteFdArgument(const Row& row);

// Of this very call, where its operation decides (futex, fcntl).
bool MayBlock(const Row& row, const Call& call);
// True of the operations on priority-inheritance futexes that may sleep: they write their futex
// word before, and it is another task's business at once.
bool WritesFutexWord(const Call& call);

// Of this very call, where the effect depends on a request number (fcntl, ioctl, prctl,
// arch_prctl): exact, where the row alone is a guess.
MapEffect MapEffectOf(const Row& row, const Call& call);
FdEffect FdEffectOf(const Row& row, const Call& call);

// After a call: the ranges the kernel wrote, given arguments and result (results of -512..-516
// included: an interrupted call that the kernel will restart may have written). An upper bound is
// right where the exact size isn't known: bytes the kernel didn't write are the same in a replay
// anyway. False if this call's outputs aren't known (an ioctl or prctl without a row): the recorder
// then compares pages.
bool OutputRanges(const Row& row, const Call& call, std::vector<Range>& out);

// True if the outputs of this call, about to be made, can't be known from the table (decided by the
// arguments alone): the recorder has to look at memory before the call.
bool OutputsUnknown(const Row& row, const Call& call);

// Inputs worth keeping for `dump`: path and other strings (whole, up to 4096 bytes), the first
// kPreviewedBytes bytes of buffers that are written out, small structures. Called when the call is
// done; the memory is read through call.memory.
inline constexpr uint64_t kPreviewedBytes = 32;
void InputPreviews(const Row& row, const Call& call, std::vector<Range>& out);

// True if the row's previews must be read before the call, since after it the memory is gone
// (execve).
bool PreviewBeforeCall(const Row& row);

// `openat(AT_FDCWD, "/etc/passwd", O_RDONLY) = 3`, as strace prints it: named flags, strings quoted
// and cut at 32 bytes, structures decoded where a decoder exists, errors as `-1 ENOENT (No such
// file or directory)`. Memory that can't be read prints as its address.
std::string FormatCall(const Call& call);
// The part before " = ", for a call that hasn't returned.
std::string FormatCallEntry(const Call& call);

// The table as a page of Markdown: docs/syscalls.md.
std::string SupportPage();

}  // namespace retake

#endif  // RETAKE_SYSCALLS_TABLE_H_
