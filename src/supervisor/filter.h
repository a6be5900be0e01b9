// The seccomp filter: which syscalls of the program go on by themselves, which stop it for the
// tracer, and which are answered through the notification listener.
//
// The program is made from one Disposition per syscall. It begins with a gate: the audit
// architecture, the numbers of another ABI, then both halves of the instruction pointer, which let
// the stub's own calls through. A binary search over the syscall numbers follows, one leaf per run
// of numbers with the same verdict.
//
// libseccomp makes an equivalent program in 1.9 ms, which is most of what `record` may add to a
// short program, so the tree is made here (microseconds) and libseccomp is the oracle of the unit
// test. It also can't make a program for the other architecture from numbers newer than itself.
//
// A call that is traced while no tracer is attached gets ENOSYS from the kernel, never the call
// (seccomp(2)): should the supervisor vanish, the filter fails closed.
#ifndef RETAKE_SUPERVISOR_FILTER_H_
#define RETAKE_SUPERVISOR_FILTER_H_

#include <linux/filter.h>

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "arch/arch.h"
#include "base/fd.h"
#include "base/result.h"
#include "syscalls/table.h"

namespace retake {

// Why the filter stopped a call: the data of SECCOMP_RET_TRACE, which PTRACE_GETEVENTMSG gives at
// the seccomp stop. 0 is never used, so that a program's own filter that traces with data 0 can't
// be mistaken for ours.
inline constexpr uint16_t kStopCall = 1;     // a row that is recorded by stopping
inline constexpr uint16_t kDeniedCall = 2;   // a row that gets the table's errno
inline constexpr uint16_t kUnknownCall = 3;  // no row: ENOSYS, counted
inline constexpr uint16_t kForeignArchCall =
    4;                                          // made for another architecture (int 0x80): refused
inline constexpr uint16_t kForeignAbiCall = 5;  // made with an x32 number: refused

// Numbers with this bit (and not the sign) are the x32 ABI's on x86_64 (__X32_SYSCALL_BIT of
// <asm/unistd.h>) and nobody's on aarch64.
inline constexpr uint32_t kForeignAbiBit = 0x4000'0000;

struct FilterOptions {
  // Indexed by Sys. kStub stops like kStop: what reaches the filter comes from a site that isn't
  // patched.
  std::array<Disposition, kSysCount> dispositions;
  // Let calls through that are made in the stub's code page. Off where confinement beats speed.
  bool gate = true;

  Disposition& operator[](Sys sys) { return dispositions[static_cast<size_t>(sys)]; }
};

// All syscalls with the same disposition.
inline FilterOptions UniformFilter(Disposition disposition) {
  FilterOptions options;
  options.dispositions.fill(disposition);
  return options;
}

// What the syscall table says for recording.
inline FilterOptions RecordFilter() {
  FilterOptions options;
  for (int i = 0; i < kSysCount; ++i) {
    options.dispositions[i] = RecordDisposition(RowOf(static_cast<Sys>(i)));
  }
  return options;
}

// Makes the program for `arch`. The calls that x86_64's vsyscall page makes are stopped (or
// notified) even where their disposition is kAllow: no other stop would see them. Fails only if the
// program would be longer than the kernel takes (BPF_MAXINSNS).
Result<std::vector<sock_filter>> BuildFilter(const ArchDescription& arch,
                                             const FilterOptions& options);

// The optional SECCOMP_FILTER_FLAG_* that may be used here (see Feature). Reads the environment:
// ask before a fork.
uint32_t PreferredFilterFlags();

// Installs the program on the calling thread, for good, with no_new_privs. Optional `flags` that
// this kernel refuses are left out. Gives the notification listener (close-on-exec) if wanted, else
// an invalid Fd. Meant for a child between fork and exec: nothing is allocated unless it fails.
Result<Fd> InstallFilter(std::span<const sock_filter> program, uint32_t flags, bool want_listener);

}  // namespace retake

#endif  // RETAKE_SUPERVISOR_FILTER_H_
