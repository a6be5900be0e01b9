// x86_64 as data: what it takes to read a trace of this architecture on any host. Built everywhere,
// so no header of the architecture's kernel may be included here; a test compares the values with
// those headers (S18).
#include "arch/arch.h"
#include "arch/x86_64/layout.h"

namespace retake {
namespace {

using namespace x86_64;

constexpr RegisterInfo kRegisters[] = {
    {"r15", RegisterRole::kPlain},    {"r14", RegisterRole::kPlain},
    {"r13", RegisterRole::kPlain},    {"r12", RegisterRole::kPlain},
    {"rbp", RegisterRole::kPlain},    {"rbx", RegisterRole::kPlain},
    {"r11", RegisterRole::kPlain},    {"r10", RegisterRole::kPlain},
    {"r9", RegisterRole::kPlain},     {"r8", RegisterRole::kPlain},
    {"rax", RegisterRole::kResult},   {"rcx", RegisterRole::kPlain},
    {"rdx", RegisterRole::kPlain},    {"rsi", RegisterRole::kPlain},
    {"rdi", RegisterRole::kPlain},    {"orig_rax", RegisterRole::kSyscall},
    {"rip", RegisterRole::kPc},       {"cs", RegisterRole::kIgnored},
    {"eflags", RegisterRole::kFlags}, {"rsp", RegisterRole::kSp},
    {"ss", RegisterRole::kIgnored},   {"fs_base", RegisterRole::kTls},
    {"gs_base", RegisterRole::kTls},  {"ds", RegisterRole::kIgnored},
    {"es", RegisterRole::kIgnored},   {"fs", RegisterRole::kIgnored},
    {"gs", RegisterRole::kIgnored},
};
static_assert(std::size(kRegisters) == kWords);

// Each is exported under two names (arch/x86/entry/vdso/vdso.lds.S); time and getcpu exist on this
// architecture only.
constexpr VdsoSymbol kVdsoSymbols[] = {
    {"__vdso_clock_gettime", Sys::clock_gettime},
    {"clock_gettime", Sys::clock_gettime},
    {"__vdso_gettimeofday", Sys::gettimeofday},
    {"gettimeofday", Sys::gettimeofday},
    {"__vdso_clock_getres", Sys::clock_getres},
    {"clock_getres", Sys::clock_getres},
    {"__vdso_time", Sys::time},
    {"time", Sys::time},
    {"__vdso_getcpu", Sys::getcpu},
    {"getcpu", Sys::getcpu},
    {"__vdso_getrandom", Sys::getrandom},
    {"getrandom", Sys::getrandom},
};

constexpr ArchDescription kDescription = {
    .id = ArchId::kX86_64,
    .name = "x86_64",
    .audit_arch = 0xC000003E,  // AUDIT_ARCH_X86_64
    .elf_machine = 62,         // EM_X86_64
    .registers = kRegisters,
    .pc = kRip,
    .sp = kRsp,
    .result = kRax,
    .syscall = kOrigRax,
    .args = {kRdi, kRsi, kRdx, kR10, kR8, kR9},
    .abi =
        {
            .stat_size = 144,
            .statfs_size = 120,
            .epoll_event_size = 12,
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
            .stat_mode_offset = 24,
            .stat_rdev_offset = 40,
            .clone_child_tid_arg = 3,
        },
    .flags =
        {
            .o_directory = 0x10000,
            .o_nofollow = 0x20000,
            .o_direct = 0x4000,
            .o_largefile = 0x8000,
            .map_32bit = 0x40,
        },
    .vdso_symbols = kVdsoSymbols,
    .syscall_instruction = "\x0f\x05",
};

}  // namespace

const ArchDescription& X86_64Description() { return kDescription; }

}  // namespace retake
