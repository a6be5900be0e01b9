// aarch64 as data: what it takes to read a trace of this architecture on any host. Built
// everywhere, so no header of the architecture's kernel may be included here; a test compares the
// values with those headers (S18).
#include "arch/aarch64/layout.h"
#include "arch/arch.h"

namespace retake {
namespace {

constexpr RegisterInfo kRegisters[] = {
    {"x0", RegisterRole::kResult},       {"x1", RegisterRole::kPlain},
    {"x2", RegisterRole::kPlain},        {"x3", RegisterRole::kPlain},
    {"x4", RegisterRole::kPlain},        {"x5", RegisterRole::kPlain},
    {"x6", RegisterRole::kPlain},        {"x7", RegisterRole::kPlain},
    {"x8", RegisterRole::kPlain},        {"x9", RegisterRole::kPlain},
    {"x10", RegisterRole::kPlain},       {"x11", RegisterRole::kPlain},
    {"x12", RegisterRole::kPlain},       {"x13", RegisterRole::kPlain},
    {"x14", RegisterRole::kPlain},       {"x15", RegisterRole::kPlain},
    {"x16", RegisterRole::kPlain},       {"x17", RegisterRole::kPlain},
    {"x18", RegisterRole::kPlain},       {"x19", RegisterRole::kPlain},
    {"x20", RegisterRole::kPlain},       {"x21", RegisterRole::kPlain},
    {"x22", RegisterRole::kPlain},       {"x23", RegisterRole::kPlain},
    {"x24", RegisterRole::kPlain},       {"x25", RegisterRole::kPlain},
    {"x26", RegisterRole::kPlain},       {"x27", RegisterRole::kPlain},
    {"x28", RegisterRole::kPlain},       {"x29", RegisterRole::kPlain},
    {"x30", RegisterRole::kPlain},       {"sp", RegisterRole::kSp},
    {"pc", RegisterRole::kPc},           {"pstate", RegisterRole::kFlags},
    {"tpidr", RegisterRole::kTls},       {"tpidr2", RegisterRole::kTls},
    {"syscall", RegisterRole::kSyscall},
};
static_assert(std::size(kRegisters) == aarch64::kWords);
static_assert(aarch64::kWords <= Registers::kMaxWords);

// arch/arm64/kernel/vdso/vdso.lds.S. __kernel_rt_sigreturn is not among them: signal frames return
// through it.
constexpr VdsoSymbol kVdsoSymbols[] = {
    {"__kernel_clock_gettime", Sys::clock_gettime},
    {"__kernel_gettimeofday", Sys::gettimeofday},
    {"__kernel_clock_getres", Sys::clock_getres},
    {"__kernel_getrandom", Sys::getrandom},
};

constexpr ArchDescription kDescription = {
    .id = ArchId::kAarch64,
    .name = "aarch64",
    .audit_arch = 0xC00000B7,  // AUDIT_ARCH_AARCH64
    .elf_machine = 183,        // EM_AARCH64
    .registers = kRegisters,
    .pc = aarch64::kPc,
    .sp = aarch64::kSp,
    .result = aarch64::kX0,
    .syscall = aarch64::kSyscallNumber,
    .args = {0, 1, 2, 3, 4, 5},
    .abi =
        {
            .stat_size = 128,
            .statfs_size = 120,
            .epoll_event_size = 16,
            .ksigaction_size = 32,
            .ksigaction_flags_offset = 8,
            .ksigaction_mask_offset = 24,
            .has_sa_restorer = true,
            .msghdr_size = 56,
            .flock_size = 32,
            .termios_size = 36,
            .utsname_size = 390,
            .rusage_size = 144,
            .sysinfo_size = 112,
            .stat_mode_offset = 16,
            .stat_rdev_offset = 32,
            .clone_child_tid_arg = 4,
        },
    .flags =
        {
            .o_directory = 0x4000,
            .o_nofollow = 0x8000,
            .o_direct = 0x10000,
            .o_largefile = 0x20000,
            .map_32bit = 0,
        },
    .vdso_symbols = kVdsoSymbols,
    .syscall_instruction = {"\x01\x00\x00\xd4", 4},  // svc #0
};

}  // namespace

const ArchDescription& Aarch64Description() { return kDescription; }

}  // namespace retake
