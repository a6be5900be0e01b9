// Rows of calls on the system as a whole, on security and tracing, and of those that Linux gave up.
#ifndef RETAKE_SYSCALLS_ROWS_SYSTEM_H_
#define RETAKE_SYSCALLS_ROWS_SYSTEM_H_

#include "syscalls/row.h"

namespace retake {

inline constexpr Row kSystemRows[] = {
    MakeRow(Sys::uname, Out("buf", Type::kUtsname)),
    MakeRow(Sys::sysinfo, Out("info", Type::kSysinfo)),
    MakeRow(Sys::getrandom, Out("buf", Type::kHexBuffer, ByResult(1)), Ulong("buflen"),
            Flags("flags", Set::kGetrandom)),
    MakeRow(Sys::syslog, Enum("type", Set::kSyslog),
            Out("bufp", Type::kBuffer, Approximately(ByResult(2))), Int("len"))
        .Blocks(),
    MakeRow(Sys::sethostname, In("name", Type::kBuffer, ByArg(1)), Ulong("len")),
    MakeRow(Sys::setdomainname, In("name", Type::kBuffer, ByArg(1)), Ulong("len")),
    MakeRow(Sys::vhangup),
    MakeRow(Sys::iopl, Int("level")),
    MakeRow(Sys::ioperm, Ulong("from"), Ulong("num"), Int("turn_on")),
    MakeRow(Sys::reboot, Hex("magic"), Hex("magic2"), Enum("op", Set::kReboot), Address("arg")),
    MakeRow(Sys::kexec_load, Address("entry"), Ulong("nr_segments"), Address("segments"),
            Hex("flags")),
    MakeRow(Sys::kexec_file_load, FdArg("kernel_fd"), FdArg("initrd_fd"), Ulong("cmdline_len"),
            Str("cmdline"), Hex("flags")),
    MakeRow(Sys::init_module, Address("module_image"), Ulong("len"), Str("param_values")),
    MakeRow(Sys::finit_module, FdArg("fd"), Str("param_values"), Flags("flags", Set::kModule)),
    MakeRow(Sys::delete_module, Str("name"), Flags("flags", Set::kOpen)),
    // Security.
    MakeRow(Sys::seccomp, Enum("operation", Set::kSeccomp), Hex("flags"), Address("args"))
        .Why(
            "a filter of the program's own would outrank retake's: retake runs it, and carries out "
            "what it says; one with a listener gets EINVAL"),
    MakeRow(Sys::landlock_create_ruleset, In("attr", Type::kOpaque, ByArg(1)), Ulong("size"),
            Flags("flags", Set::kLandlock))
        .Opens(),
    MakeRow(Sys::landlock_add_rule, FdArg("ruleset_fd"), Int("rule_type"),
            In("rule_attr", Type::kOpaque, Bytes(16)), Uint("flags")),
    MakeRow(Sys::landlock_restrict_self, FdArg("ruleset_fd"), Uint("flags")),
    MakeRow(Sys::lsm_get_self_attr, Uint("attr"), Out("ctx", Type::kOpaque, LengthAt(2, 64 * 1024)),
            InOut("size", Type::kUintWord).Always(), Uint("flags"))
        .Why("with too small a buffer (E2BIG) the size it needs is written"),
    MakeRow(Sys::lsm_set_self_attr, Uint("attr"), In("ctx", Type::kOpaque, ByArg(2)), Uint("size"),
            Uint("flags")),
    MakeRow(Sys::lsm_list_modules, Out("ids", Type::kOpaque, LengthAt(1, 4096)),
            InOut("size", Type::kUintWord).Always(), Uint("flags"))
        .Why("with too small a buffer (E2BIG) the size it needs is written"),
    // Tracing.
    MakeRow(Sys::bpf, Int("cmd"), Address("attr"), Uint("size"))
        .Opens()
        .Deny(EPERM, "maps shared with the kernel are written at any time"),
    MakeRow(Sys::perf_event_open, Address("attr"), Int("pid"), Int("cpu"), FdArg("group_fd"),
            Hex("flags"))
        .Opens()
        .Deny(ENOSYS, "its ring is written by the kernel at any time"),
    MakeRow(Sys::uretprobe).Deny(ENOSYS, "belongs to the kernel's own probes, never to a program"),
    MakeRow(Sys::uprobe).Deny(ENOSYS, "belongs to the kernel's own probes, never to a program"),
    MakeRow(Sys::lookup_dcookie, Hex("cookie"), Out("buffer", Type::kBuffer, ByResult(2)),
            Ulong("len"))
        .Why("gone since Linux 6.6"),
    // Given up by Linux, or never there.
    Unimplemented(Sys::uselib),
    Unimplemented(Sys::_sysctl),
    Unimplemented(Sys::create_module),
    Unimplemented(Sys::get_kernel_syms),
    Unimplemented(Sys::query_module),
    Unimplemented(Sys::nfsservctl),
    Unimplemented(Sys::getpmsg),
    Unimplemented(Sys::putpmsg),
    Unimplemented(Sys::afs_syscall),
    Unimplemented(Sys::tuxcall),
    Unimplemented(Sys::security),
    Unimplemented(Sys::vserver),
};

}  // namespace retake

#endif  // RETAKE_SYSCALLS_ROWS_SYSTEM_H_
