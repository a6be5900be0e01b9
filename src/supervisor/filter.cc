// Makes and installs the seccomp filter. See filter.h; `man 2 seccomp` for the machine: 32-bit
// words of struct seccomp_data, forward jumps only, conditional ones of at most 255 instructions.
#include "supervisor/filter.h"

#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <utility>

#include "base/features.h"
#include "stub/layout.h"

// Newer than some headers. Source: include/uapi/linux/seccomp.h.
#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif

namespace retake {
namespace {

// Both architectures are little-endian: the low half comes first.
constexpr uint32_t kNumberOffset = offsetof(seccomp_data, nr);
constexpr uint32_t kArchOffset = offsetof(seccomp_data, arch);
constexpr uint32_t kPcLowOffset = offsetof(seccomp_data, instruction_pointer);
constexpr uint32_t kPcHighOffset = kPcLowOffset + 4;

constexpr size_t kLongestJump = 255;

// What emulate_vsyscall (arch/x86/entry/vsyscall/vsyscall_64.c) makes without a syscall
// instruction.
constexpr Sys kVsyscalls[] = {Sys::gettimeofday, Sys::time, Sys::getcpu};

constexpr sock_filter Load(uint32_t offset) { return {BPF_LD | BPF_W | BPF_ABS, 0, 0, offset}; }
constexpr sock_filter Return(uint32_t verdict) { return {BPF_RET | BPF_K, 0, 0, verdict}; }
constexpr sock_filter Jump(uint16_t condition, uint32_t value, size_t if_true, size_t if_false) {
  return {static_cast<uint16_t>(BPF_JMP | condition | BPF_K), static_cast<uint8_t>(if_true),
          static_cast<uint8_t>(if_false), value};
}
constexpr uint32_t Trace(uint16_t data) { return SECCOMP_RET_TRACE | data; }

uint32_t VerdictOf(Disposition disposition) {
  switch (disposition) {
    case Disposition::kAllow:
      return SECCOMP_RET_ALLOW;
    case Disposition::kNotify:
      return SECCOMP_RET_USER_NOTIF;
    case Disposition::kDeny:
      return Trace(kDeniedCall);
    case Disposition::kStub:
    case Disposition::kStop:
      return Trace(kStopCall);
  }
  return Trace(kStopCall);
}

// All numbers from `first` up to the next run's have this verdict.
struct Run {
  uint32_t first;
  uint32_t verdict;
};

// Verdicts of all 2^32 numbers, as ascending runs that begin at 0 and differ from their neighbours.
std::vector<Run> RunsOf(const ArchDescription& arch, const FilterOptions& options) {
  std::vector<Run> known;
  known.reserve(kSysCount);
  for (int i = 0; i < kSysCount; ++i) {
    const Sys sys = static_cast<Sys>(i);
    const int number = arch.NumberOf(sys);
    if (number < 0) continue;
    Disposition disposition = options.dispositions[i];
    if (disposition == Disposition::kAllow && std::ranges::count(kVsyscalls, sys) > 0) {
      disposition = Disposition::kStop;
    }
    known.push_back({static_cast<uint32_t>(number), VerdictOf(disposition)});
  }
  std::ranges::sort(known, {}, &Run::first);

  std::vector<Run> runs;
  runs.reserve(2 * known.size() + 2);
  auto add = [&runs](uint32_t first, uint32_t verdict) {
    if (runs.empty() || runs.back().verdict != verdict) runs.push_back({first, verdict});
  };
  uint32_t next = 0;
  for (const Run& run : known) {
    if (run.first > next) add(next, Trace(kUnknownCall));
    add(run.first, run.verdict);
    next = run.first + 1;
  }
  add(next, Trace(kUnknownCall));
  return runs;
}

// Appends a binary search for the accumulator among `runs`.
void AppendSearch(std::span<const Run> runs, std::vector<sock_filter>& out) {
  if (runs.size() == 1) {
    out.push_back(Return(runs[0].verdict));
    return;
  }
  const size_t middle = runs.size() / 2;
  // A search among n runs is 2n - 1 instructions, and one more for each half that is too far to
  // jump over; so the jump is made once the half is there.
  const size_t jump = out.size();
  out.push_back({});
  const bool may_be_far = 3 * middle > kLongestJump;
  if (may_be_far) out.push_back({});
  AppendSearch(runs.first(middle), out);
  const size_t skipped = out.size() - jump - 1;
  if (may_be_far) {
    out[jump] = Jump(BPF_JGE, runs[middle].first, 0, 1);
    out[jump + 1] = {BPF_JMP | BPF_JA, 0, 0, static_cast<uint32_t>(skipped - 1)};
  } else {
    out[jump] = Jump(BPF_JGE, runs[middle].first, skipped, 0);
  }
  AppendSearch(runs.subspan(middle), out);
}

void AppendGate(const ArchDescription& arch, bool let_stub_through, std::vector<sock_filter>& out) {
  out.insert(out.end(),
             {
                 Load(kArchOffset),
                 Jump(BPF_JEQ, arch.audit_arch, 1, 0),
                 Return(Trace(kForeignArchCall)),
                 Load(kNumberOffset),
                 Jump(BPF_JGE, kForeignAbiBit, 0, 2),
                 // Negative numbers are no calls at all; a tracer's -1 never comes this far.
                 Jump(BPF_JGE, 0x8000'0000, 1, 0),
                 Return(Trace(kForeignAbiCall)),
             });
  if (!let_stub_through) return;
  // The kernel gives the address behind the syscall instruction: the page's first address would be
  // that of an instruction before the page, and the address just behind the page belongs to the
  // last one in it.
  static_assert(kStubAddress + kStubCodeSize <= UINT32_MAX);
  out.insert(out.end(), {
                            Load(kPcHighOffset),
                            Jump(BPF_JEQ, 0, 0, 4),
                            Load(kPcLowOffset),
                            Jump(BPF_JGT, kStubAddress, 0, 2),
                            Jump(BPF_JGT, kStubAddress + kStubCodeSize, 1, 0),
                            Return(SECCOMP_RET_ALLOW),
                            Load(kNumberOffset),
                        });
}

long Seccomp(uint32_t flags, const sock_fprog& program) {
  return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
}

}  // namespace

Result<std::vector<sock_filter>> BuildFilter(const ArchDescription& arch,
                                             const FilterOptions& options) {
  std::vector<sock_filter> program;
  program.reserve(512);
  AppendGate(arch, options.gate, program);
  AppendSearch(RunsOf(arch, options), program);
  if (program.size() > BPF_MAXINSNS) {
    return MakeError("the seccomp filter has {} instructions; the kernel takes {}", program.size(),
                     BPF_MAXINSNS);
  }
  return program;
}

uint32_t PreferredFilterFlags() {
  uint32_t flags = 0;
  if (MayUse(Feature::kNotifyKillable)) flags |= SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
  if (MayUse(Feature::kSpecAllow)) flags |= SECCOMP_FILTER_FLAG_SPEC_ALLOW;
  return flags;
}

Result<Fd> InstallFilter(std::span<const sock_filter> program, uint32_t flags, bool want_listener) {
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
    return ErrnoError("setting no_new_privs, which an unprivileged seccomp filter needs");
  }
  sock_fprog description{};
  description.len = static_cast<uint16_t>(program.size());
  description.filter = const_cast<sock_filter*>(program.data());
  // The kernel refuses WAIT_KILLABLE_RECV without a listener, and with EINVAL whatever it doesn't
  // know.
  uint32_t listener = want_listener ? SECCOMP_FILTER_FLAG_NEW_LISTENER : 0;
  if (!want_listener) flags &= ~uint32_t{SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV};
  const uint32_t attempts[] = {flags, flags & ~uint32_t{SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV},
                               flags & ~uint32_t{SECCOMP_FILTER_FLAG_SPEC_ALLOW}, 0};
  long result = -1;
  for (uint32_t optional : attempts) {
    result = Seccomp(listener | optional, description);
    if (result >= 0 || errno != EINVAL) break;
  }
  if (result < 0) {
    return ErrnoError("installing the seccomp filter ({} instructions)", program.size());
  }
  return want_listener ? Fd(static_cast<int>(result)) : Fd();
}

}  // namespace retake
