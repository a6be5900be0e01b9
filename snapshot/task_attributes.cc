#include "snapshot/task_attributes.h"

#include <linux/prctl.h>

namespace retake {
namespace {

constexpr TaskAttribute Speculation(const char* name, uint64_t which) {
  return {name, Sys::prctl,   {PR_GET_SPECULATION_CTRL, which},
          -1,   Sys::prctl,   {PR_SET_SPECULATION_CTRL, which},
          2,    PR_SPEC_PRCTL};
}

// <linux/prctl.h>; headers of Debian 12 have it from Linux 5.6 on.
constexpr TaskAttribute kAttributes[] = {
    {"its timer slack", Sys::prctl, {PR_GET_TIMERSLACK}, -1, Sys::prctl, {PR_SET_TIMERSLACK}, 1},
    {"what becomes of it on a memory error",
     Sys::prctl,
     {PR_MCE_KILL_GET},
     -1,
     Sys::prctl,
     {PR_MCE_KILL, PR_MCE_KILL_SET},
     2},
    {"that it writes for the memory's sake",
     Sys::prctl,
     {PR_GET_IO_FLUSHER},
     -1,
     Sys::prctl,
     {PR_SET_IO_FLUSHER},
     1},
    Speculation("its speculative store bypass", PR_SPEC_STORE_BYPASS),
    Speculation("its indirect branch speculation", PR_SPEC_INDIRECT_BRANCH),
};

}  // namespace

const std::vector<TaskAttribute>& AllTaskAttributes() {
  static const std::vector<TaskAttribute> kAll = [] {
    std::vector<TaskAttribute> all(std::begin(kAttributes), std::end(kAttributes));
    auto own = machine::TaskAttributes();
    all.insert(all.end(), own.begin(), own.end());
    return all;
  }();
  return kAll;
}

}  // namespace retake
