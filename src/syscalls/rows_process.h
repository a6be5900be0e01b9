// Rows of calls on tasks: creation, exit, waiting, identity, limits, scheduling, signals, futexes.
#ifndef RETAKE_SYSCALLS_ROWS_PROCESS_H_
#define RETAKE_SYSCALLS_ROWS_PROCESS_H_

#include "syscalls/outputs.h"
#include "syscalls/requests.h"
#include "syscalls/row.h"

namespace retake {

inline constexpr Row kProcessRows[] = {
    // Creation and end.
    MakeRow(Sys::fork).Tasks(TaskEffect::kCreates),
    MakeRow(Sys::vfork)
        .Tasks(TaskEffect::kCreates)
        .Blocks()
        .Why("the parent sleeps until its child execs or exits"),
    MakeRow(Sys::clone, Plain("flags", Type::kCloneFlags), Address("child_stack"),
            Address("parent_tid"), Address("child_tid_or_tls"), Address("tls_or_child_tid"))
        .Tasks(TaskEffect::kCreates)
        .Blocks()
        .Also(outputs::Clone)
        .Why("blocks with CLONE_VFORK; the child's tid word is an event of the child"),
    MakeRow(Sys::clone3, In("cl_args", Type::kCloneArgs, ByArg(1)), Ulong("size"))
        .Tasks(TaskEffect::kCreates)
        .Blocks()
        .Also(outputs::Clone3)
        .Why("blocks with CLONE_VFORK; the child's tid word is an event of the child"),
    MakeRow(Sys::execve, Path(), In("argv", Type::kStrings, {}), In("envp", Type::kEnvironment, {}))
        .Maps(MapEffect::kExec)
        .Fds(FdEffect::kClosesMany)
        .PreviewedBefore()
        .Blocks(),
    MakeRow(Sys::execveat, DirFd(), Path(), In("argv", Type::kStrings, {}),
            In("envp", Type::kEnvironment, {}), Flags("flags", Set::kAtExec))
        .Maps(MapEffect::kExec)
        .Fds(FdEffect::kClosesMany)
        .PreviewedBefore()
        .Blocks(),
    MakeRow(Sys::exit, Int("status")).Tasks(TaskEffect::kExits).Results(ResultType::kNothing),
    MakeRow(Sys::exit_group, Int("status"))
        .Tasks(TaskEffect::kExitsGroup)
        .Results(ResultType::kNothing),
    MakeRow(Sys::wait4, Int("pid"), Out("wstatus", Type::kWaitStatus),
            Flags("options", Set::kWaitOptions), Out("rusage", Type::kRusage))
        .Blocks(),
    MakeRow(Sys::waitid, Enum("idtype", Set::kIdType), Int("id"),
            Out("infop", Type::kSiginfo).Always(), Flags("options", Set::kWaitOptions),
            Out("rusage", Type::kRusage))
        .Blocks()
        .Why("infop is cleared even when the call fails"),
    MakeRow(Sys::set_tid_address, Address("tidptr"))
        .Why("the word is cleared when the task ends: an event of its end"),
    MakeRow(Sys::set_robust_list, Address("head"), Ulong("len"))
        .Why("the list is walked when the task ends: an event of its end"),
    MakeRow(Sys::get_robust_list, Int("pid"), Out("head_ptr", Type::kPointerWord),
            Out("len_ptr", Type::kLongWord)),
    MakeRow(Sys::unshare, Flags("flags", Set::kUnshare)).Fds(FdEffect::kClosesMany),
    MakeRow(Sys::setns, FdArg("fd"), Flags("nstype", Set::kUnshare)),
    MakeRow(Sys::ptrace, Hex("request"), Int("pid"), Address("addr"), Address("data"))
        .Deny(EPERM,
              "a task has one tracer, and that is retake; but a process may stop and look at "
              "threads whose memory it shares, as LeakSanitizer does"),
    MakeRow(Sys::personality, Flags("persona", Set::kPersonality)).Results(ResultType::kHex),
    MakeRow(Sys::prctl, Selector("option"), Hex("arg2"), Hex("arg3"), Hex("arg4"), Hex("arg5"))
        .With(kPrctl)
        .Why("an option that isn't in the table is recorded by page difference"),
    MakeRow(Sys::arch_prctl, Selector("code"), Address("addr"))
        .Maps(MapEffect::kExecuted)
        .With(kArchPrctl)
        .Why("replay executes what memory instructions depend on (AMX permission)"),
    MakeRow(Sys::modify_ldt, Enum("func", Set::kModifyLdt),
            InOut("ptr", Type::kOpaque, ByResult(2)), Ulong("bytecount"))
        .Maps(MapEffect::kExecuted)
        .Why("replay executes it: memory instructions depend on the table"),
    MakeRow(Sys::set_thread_area, Address("u_info"))
        .Why("64-bit programs get ENOSYS from the kernel"),
    MakeRow(Sys::get_thread_area, Address("u_info"))
        .Why("64-bit programs get ENOSYS from the kernel"),
    MakeRow(Sys::rseq, Address("rseq"), Uint("rseq_len"), Hex("flags"), Hex("sig"))
        .Deny(ENOSYS, "the kernel writes to the registered area at any time"),
    MakeRow(Sys::restart_syscall)
        .Blocks()
        .Why("goes on with an interrupted call: recorded as that call"),
    // Identity.
    MakeRow(Sys::getpid),
    MakeRow(Sys::gettid),
    MakeRow(Sys::getppid),
    MakeRow(Sys::getpgrp),
    MakeRow(Sys::getpgid, Int("pid")),
    MakeRow(Sys::setpgid, Int("pid"), Int("pgid")),
    MakeRow(Sys::getsid, Int("pid")),
    MakeRow(Sys::setsid),
    MakeRow(Sys::getuid),
    MakeRow(Sys::geteuid),
    MakeRow(Sys::getgid),
    MakeRow(Sys::getegid),
    MakeRow(Sys::setuid, Int("uid")),
    MakeRow(Sys::setgid, Int("gid")),
    MakeRow(Sys::setreuid, Int("ruid"), Int("euid")),
    MakeRow(Sys::setregid, Int("rgid"), Int("egid")),
    MakeRow(Sys::setresuid, Int("ruid"), Int("euid"), Int("suid")),
    MakeRow(Sys::setresgid, Int("rgid"), Int("egid"), Int("sgid")),
    MakeRow(Sys::getresuid, Out("ruid", Type::kIdWord), Out("euid", Type::kIdWord),
            Out("suid", Type::kIdWord)),
    MakeRow(Sys::getresgid, Out("rgid", Type::kIdWord), Out("egid", Type::kIdWord),
            Out("sgid", Type::kIdWord)),
    MakeRow(Sys::setfsuid, Int("fsuid")),
    MakeRow(Sys::setfsgid, Int("fsgid")),
    MakeRow(Sys::getgroups, Int("size"), Out("list", Type::kIds, ByResult(0, 4))),
    MakeRow(Sys::setgroups, Int("size"), In("list", Type::kIds, ByArg(0, 4))),
    MakeRow(Sys::capget, InOut("hdrp", Type::kCapHeader).Always(),
            Out("datap", Type::kCapData, Approximately(Bytes(24))))
        .Why("an unknown version is answered with the one the kernel prefers"),
    MakeRow(Sys::capset, In("hdrp", Type::kCapHeader), In("datap", Type::kCapData, Bytes(24))),
    MakeRow(Sys::pidfd_open, Int("pid"), Flags("flags", Set::kPidfdOpen)).Opens(),
    MakeRow(Sys::pidfd_getfd, FdArg("pidfd"), FdArg("targetfd"), Uint("flags")).Opens(),
    MakeRow(Sys::kcmp, Int("pid1"), Int("pid2"), Enum("type", Set::kKcmp), Hex("idx1"),
            Hex("idx2")),
    // Limits and use.
    MakeRow(Sys::getrlimit, Enum("resource", Set::kRlimitResource), Out("rlim", Type::kRlimit)),
    MakeRow(Sys::setrlimit, Enum("resource", Set::kRlimitResource), In("rlim", Type::kRlimit)),
    MakeRow(Sys::prlimit64, Int("pid"), Enum("resource", Set::kRlimitResource),
            In("new_limit", Type::kRlimit), Out("old_limit", Type::kRlimit)),
    MakeRow(Sys::getrusage, Enum("who", Set::kRusageWho), Out("usage", Type::kRusage)),
    MakeRow(Sys::getpriority, Enum("which", Set::kPriority), Int("who")),
    MakeRow(Sys::setpriority, Enum("which", Set::kPriority), Int("who"), Int("prio")),
    MakeRow(Sys::ioprio_get, Enum("which", Set::kIoprio), Int("who")),
    MakeRow(Sys::ioprio_set, Enum("which", Set::kIoprio), Int("who"), Hex("ioprio")),
    // Scheduling.
    MakeRow(Sys::sched_yield),
    MakeRow(Sys::sched_setparam, Int("pid"), In("param", Type::kSchedParam)),
    MakeRow(Sys::sched_getparam, Int("pid"), Out("param", Type::kSchedParam)),
    MakeRow(Sys::sched_setscheduler, Int("pid"), Plain("policy", Type::kSchedPolicy),
            In("param", Type::kSchedParam)),
    MakeRow(Sys::sched_getscheduler, Int("pid")),
    MakeRow(Sys::sched_get_priority_max, Plain("policy", Type::kSchedPolicy)),
    MakeRow(Sys::sched_get_priority_min, Plain("policy", Type::kSchedPolicy)),
    MakeRow(Sys::sched_rr_get_interval, Int("pid"), Out("tp", Type::kTimespec)),
    MakeRow(Sys::sched_setaffinity, Int("pid"), Ulong("cpusetsize"),
            In("mask", Type::kCpuSet, ByArg(1))),
    MakeRow(Sys::sched_getaffinity, Int("pid"), Ulong("cpusetsize"),
            Out("mask", Type::kCpuSet, ByResult(1))),
    MakeRow(Sys::sched_setattr, Int("pid"),
            InOut("attr", Type::kSchedAttr,
                  {.kind = Sized::kLengthAtStart, .limit = 4096, .approximate = true})
                .Always(),
            Uint("flags"))
        .Why("for a structure too large (E2BIG) the size it knows is written"),
    MakeRow(Sys::sched_getattr, Int("pid"),
            Out("attr", Type::kSchedAttr, {.kind = Sized::kArg, .arg = 2, .limit = 4096}),
            Uint("size"), Uint("flags")),
    MakeRow(Sys::getcpu, Out("cpu", Type::kUintWord), Out("node", Type::kUintWord),
            Address("tcache")),
    // Signals.
    MakeRow(Sys::rt_sigaction, Signal("signum"), In("act", Type::kSigaction),
            Out("oldact", Type::kSigaction), Ulong("sigsetsize"))
        .Tasks(TaskEffect::kSigaction),
    MakeRow(Sys::rt_sigprocmask, Enum("how", Set::kSigHow), In("set", Type::kSigset),
            Out("oldset", Type::kSigset), Ulong("sigsetsize"))
        .Tasks(TaskEffect::kSigmask),
    MakeRow(Sys::rt_sigpending, Out("set", Type::kSigset), Ulong("sigsetsize")),
    MakeRow(Sys::rt_sigsuspend, In("mask", Type::kSigset), Ulong("sigsetsize"))
        .Blocks()
        .Why("sets the mask only while it waits"),
    MakeRow(Sys::rt_sigtimedwait, In("set", Type::kSigset), Out("info", Type::kSiginfo),
            In("timeout", Type::kTimespec), Ulong("sigsetsize"))
        .Blocks(),
    MakeRow(Sys::rt_sigreturn)
        .Tasks(TaskEffect::kSigreturn)
        .Results(ResultType::kNumber)
        .Why("changes every register and the signal mask"),
    MakeRow(Sys::rt_sigqueueinfo, Int("pid"), Signal("sig"), In("info", Type::kSiginfo)),
    MakeRow(Sys::rt_tgsigqueueinfo, Int("tgid"), Int("tid"), Signal("sig"),
            In("info", Type::kSiginfo)),
    MakeRow(Sys::sigaltstack, In("ss", Type::kStack), Out("old_ss", Type::kStack)),
    MakeRow(Sys::kill, Int("pid"), Signal("sig")),
    MakeRow(Sys::tkill, Int("tid"), Signal("sig")),
    MakeRow(Sys::tgkill, Int("tgid"), Int("tid"), Signal("sig")),
    MakeRow(Sys::pidfd_send_signal, FdArg("pidfd"), Signal("sig"), In("info", Type::kSiginfo),
            Flags("flags", Set::kPidfdSignal)),
    MakeRow(Sys::pause).Blocks(),
    // Futexes.
    MakeRow(Sys::futex, Address("uaddr"), Plain("futex_op", Type::kFutexOp), Uint("val"),
            Hex("timeout"), Address("uaddr2"), Hex("val3"))
        .Blocks()
        .With(kFutex),
    MakeRow(Sys::futex_waitv, In("waiters", Type::kFutexWaitv, ByArg(1, 24)), Uint("nr_futexes"),
            Uint("flags"), In("timeout", Type::kTimespec), Enum("clockid", Set::kClockId))
        .Blocks(),
    MakeRow(Sys::futex_wake, Address("uaddr"), Hex("mask"), Int("nr"),
            Flags("flags", Set::kFutexFlags)),
    MakeRow(Sys::futex_wait, Address("uaddr"), Ulong("val"), Hex("mask"),
            Flags("flags", Set::kFutexFlags), In("timeout", Type::kTimespec),
            Enum("clockid", Set::kClockId))
        .Blocks(),
    MakeRow(Sys::futex_requeue, In("waiters", Type::kFutexWaitv, Bytes(48)), Uint("flags"),
            Int("nr_wake"), Int("nr_requeue")),
};

}  // namespace retake

#endif  // RETAKE_SYSCALLS_ROWS_PROCESS_H_
