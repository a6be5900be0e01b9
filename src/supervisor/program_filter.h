// Seccomp filters that a program installs itself.
//
// Beside retake's own filter in the kernel one of these would have the last word: a call that it
// refuses would never stop, and be missing from the trace (seccomp(2): the most restrictive verdict
// wins, and a refusal outranks a stop). So it is kept and run here. Each call of a recorded program
// stops at its entry, where its filters are asked before anything else; the supervisor carries out
// what they say. A replay needs nothing of it: the verdicts are in the trace as results and
// signals.
//
// Filters are per task, inherited by every way of making one, and outlive exec.
#ifndef RETAKE_SUPERVISOR_PROGRAM_FILTER_H_
#define RETAKE_SUPERVISOR_PROGRAM_FILTER_H_

#include <linux/filter.h>
#include <linux/seccomp.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

namespace retake {

// One program of classic BPF over struct seccomp_data.
class ProgramFilter {
 public:
  // nullopt: the kernel would refuse it (EINVAL; seccomp_check_filter in kernel/seccomp.c,
  // bpf_check_classic in net/core/filter.c).
  static std::optional<ProgramFilter> Check(std::vector<sock_filter> code);

  // SECCOMP_RET_* and its data.
  uint32_t Run(const seccomp_data& data) const;
  size_t size() const { return code_.size(); }

 private:
  explicit ProgramFilter(std::vector<sock_filter> code) : code_(std::move(code)) {}

  std::vector<sock_filter> code_;
};

// What a task is confined by: its newest filter, and those before; or strict mode. Immutable,
// shared by the tasks that have inherited it.
struct Confinement {
  bool strict = false;
  std::optional<ProgramFilter> filter;
  std::shared_ptr<const Confinement> older;
  // Instructions of all, as the kernel counts them for its limit of 32,768.
  size_t cost = 0;

  bool IsOrDescendsFrom(const Confinement* other) const;
};

// What becomes of a call.
struct FilterVerdict {
  enum class Kind : uint8_t {
    kAllow,
    kError,        // `data`: the errno
    kTrap,         // SIGSYS; `data` goes into its siginfo
    kEndsThread,   // killed by `data`, a signal
    kEndsProcess,  // likewise, all of it
  };
  Kind kind = Kind::kAllow;
  int data = 0;
};

// The verdict of all of them: the most restrictive, and of equals the newest one's. `is_harmless`:
// a call that strict mode allows.
FilterVerdict JudgeCall(const Confinement& confinement, const seccomp_data& call, bool is_harmless);

}  // namespace retake

#endif  // RETAKE_SUPERVISOR_PROGRAM_FILTER_H_
