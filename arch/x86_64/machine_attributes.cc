#include <sys/prctl.h>

#include "arch/arch.h"

namespace retake::machine {
namespace {

// <asm/prctl.h>.
constexpr uint64_t kGetCpuid = 0x1011;
constexpr uint64_t kSetCpuid = 0x1012;

constexpr TaskAttribute kAttributes[] = {
    {"whether it may read the timestamp counter",
     Sys::prctl,
     {PR_GET_TSC},
     1,
     Sys::prctl,
     {PR_SET_TSC},
     1},
    {"whether it may execute cpuid",
     Sys::arch_prctl,
     {kGetCpuid},
     -1,
     Sys::arch_prctl,
     {kSetCpuid},
     1},
    {"a local descriptor table (modify_ldt)", Sys::modify_ldt, {}, -1, Sys::kNone, {}, 0},
};

}  // namespace

std::span<const TaskAttribute> TaskAttributes() { return kAttributes; }

}  // namespace retake::machine
