#include "snapshot/seccomp_filters.h"

#include <linux/bpf_common.h>
#include <linux/filter.h>
#include <linux/seccomp.h>

#include <cstring>
#include <utility>

#include "tracee/ptrace.h"

namespace retake {
namespace {

// Whether calls may wait for what the holder of a listener says, which is no part of the filter.
bool MayAskAnother(const std::vector<uint8_t>& instructions) {
  for (size_t at = 0; at + sizeof(sock_filter) <= instructions.size(); at += sizeof(sock_filter)) {
    sock_filter one{};
    memcpy(&one, instructions.data() + at, sizeof one);
    if (BPF_CLASS(one.code) != BPF_RET) continue;
    bool computed = BPF_RVAL(one.code) != BPF_K;
    if (computed || (one.k & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_USER_NOTIF) return true;
  }
  return false;
}

}  // namespace

Result<SeccompConfinement> ReadSeccomp(pid_t tid, const ProcStatus& status) {
  SeccompConfinement out;
  out.mode = static_cast<uint32_t>(status.Number("Seccomp"));
  if (out.mode != SECCOMP_MODE_FILTER) return out;
  for (uint64_t n = 0;; ++n) {
    auto instructions = TRY(ptracer::GetSeccompFilter(tid, n));
    if (!instructions) return out;
    if (instructions->size() > kMostFilterBytes) return Error(0, "a filter is too long", tid);
    if (MayAskAnother(*instructions))
      return Error(0, "a filter may ask another process what is to be done", tid);
    out.filters.push_back({TRY(ptracer::GetSeccompFlags(tid, n)), std::move(*instructions)});
  }
}

}  // namespace retake
