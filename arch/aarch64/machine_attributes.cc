#include <linux/prctl.h>

#include "arch/arch.h"

namespace retake::machine {
namespace {

// <linux/prctl.h>, Linux 5.13.
constexpr uint64_t kSetEnabledKeys = 60;
constexpr uint64_t kGetEnabledKeys = 61;
constexpr uint64_t kAllKeys = PR_PAC_APIAKEY | PR_PAC_APIBKEY | PR_PAC_APDAKEY | PR_PAC_APDBKEY;

constexpr TaskAttribute kAttributes[] = {
    {"its tagged addresses",
     Sys::prctl,
     {PR_GET_TAGGED_ADDR_CTRL},
     -1,
     Sys::prctl,
     {PR_SET_TAGGED_ADDR_CTRL},
     1},
    {"its vector length", Sys::prctl, {PR_SVE_GET_VL}, -1, Sys::prctl, {PR_SVE_SET_VL}, 1},
    {"its enabled pointer authentication keys",
     Sys::prctl,
     {kGetEnabledKeys},
     -1,
     Sys::prctl,
     {kSetEnabledKeys, kAllKeys},
     2},
};

}  // namespace

std::span<const TaskAttribute> TaskAttributes() { return kAttributes; }

}  // namespace retake::machine
