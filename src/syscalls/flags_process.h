// Flags and enumerations of calls on tasks, memory, signals, time and the system.
#ifndef RETAKE_SYSCALLS_FLAGS_PROCESS_H_
#define RETAKE_SYSCALLS_FLAGS_PROCESS_H_

#include "syscalls/flag_sets.h"

namespace retake {

// include/uapi/asm-generic/mman-common.h, mman.h
inline constexpr NamedValue kProtNames[] = {
    {0, "PROT_NONE", ~0ull},
    {1, "PROT_READ"},
    {2, "PROT_WRITE"},
    {4, "PROT_EXEC"},
    {8, "PROT_SEM"},
    {0x10, "PROT_BTI"},
    {0x20, "PROT_MTE"},
    {0x01000000, "PROT_GROWSDOWN"},
    {0x02000000, "PROT_GROWSUP"},
};
inline constexpr NamedValue kMapNames[] = {
    {1, "MAP_SHARED", 0xf},
    {2, "MAP_PRIVATE", 0xf},
    {3, "MAP_SHARED_VALIDATE", 0xf},
    {0x10, "MAP_FIXED"},
    {0x20, "MAP_ANONYMOUS"},
    {0, "MAP_32BIT", 0, &FlagValues::map_32bit},
    {0x4000, "MAP_NORESERVE"},
    {0x8000, "MAP_POPULATE"},
    {0x10000, "MAP_NONBLOCK"},
    {0x100, "MAP_GROWSDOWN"},
    {0x800, "MAP_DENYWRITE"},
    {0x1000, "MAP_EXECUTABLE"},
    {0x2000, "MAP_LOCKED"},
    {0x20000, "MAP_STACK"},
    {0x40000, "MAP_HUGETLB"},
    {0x80000, "MAP_SYNC"},
    {0x100000, "MAP_FIXED_NOREPLACE"},
};
inline constexpr NamedValue kMremapNames[] = {
    {1, "MREMAP_MAYMOVE"}, {2, "MREMAP_FIXED"}, {4, "MREMAP_DONTUNMAP"}};
inline constexpr NamedValue kMsyncNames[] = {{1, "MS_ASYNC"}, {2, "MS_INVALIDATE"}, {4, "MS_SYNC"}};
inline constexpr NamedValue kMadviseNames[] = {
    {0, "MADV_NORMAL"},           {1, "MADV_RANDOM"},         {2, "MADV_SEQUENTIAL"},
    {3, "MADV_WILLNEED"},         {4, "MADV_DONTNEED"},       {8, "MADV_FREE"},
    {9, "MADV_REMOVE"},           {10, "MADV_DONTFORK"},      {11, "MADV_DOFORK"},
    {12, "MADV_MERGEABLE"},       {13, "MADV_UNMERGEABLE"},   {14, "MADV_HUGEPAGE"},
    {15, "MADV_NOHUGEPAGE"},      {16, "MADV_DONTDUMP"},      {17, "MADV_DODUMP"},
    {18, "MADV_WIPEONFORK"},      {19, "MADV_KEEPONFORK"},    {20, "MADV_COLD"},
    {21, "MADV_PAGEOUT"},         {22, "MADV_POPULATE_READ"}, {23, "MADV_POPULATE_WRITE"},
    {24, "MADV_DONTNEED_LOCKED"}, {25, "MADV_COLLAPSE"},      {100, "MADV_HWPOISON"},
    {102, "MADV_GUARD_INSTALL"},  {103, "MADV_GUARD_REMOVE"},
};
inline constexpr NamedValue kMlockNames[] = {{1, "MLOCK_ONFAULT"}};
inline constexpr NamedValue kMlockallNames[] = {
    {1, "MCL_CURRENT"}, {2, "MCL_FUTURE"}, {4, "MCL_ONFAULT"}};
inline constexpr NamedValue kMempolicyNames[] = {{0, "MPOL_DEFAULT"},
                                                 {1, "MPOL_PREFERRED"},
                                                 {2, "MPOL_BIND"},
                                                 {3, "MPOL_INTERLEAVE"},
                                                 {4, "MPOL_LOCAL"},
                                                 {5, "MPOL_PREFERRED_MANY"},
                                                 {6, "MPOL_WEIGHTED_INTERLEAVE"}};
inline constexpr NamedValue kPkeyNames[] = {{1, "PKEY_DISABLE_ACCESS"}, {2, "PKEY_DISABLE_WRITE"}};
// include/uapi/linux/ipc.h, shm.h, msg.h
inline constexpr NamedValue kIpcKeyNames[] = {{0, "IPC_PRIVATE"}};
inline constexpr NamedValue kShmgetNames[] = {
    {01000, "IPC_CREAT"}, {02000, "IPC_EXCL"}, {04000, "SHM_HUGETLB"}, {010000, "SHM_NORESERVE"}};
inline constexpr NamedValue kShmatNames[] = {
    {010000, "SHM_RDONLY"}, {020000, "SHM_RND"}, {040000, "SHM_REMAP"}, {0100000, "SHM_EXEC"}};
inline constexpr NamedValue kMsgflgNames[] = {
    {04000, "IPC_NOWAIT"}, {010000, "MSG_NOERROR"}, {020000, "MSG_EXCEPT"}, {040000, "MSG_COPY"}};
inline constexpr NamedValue kSigHowNames[] = {
    {0, "SIG_BLOCK"}, {1, "SIG_UNBLOCK"}, {2, "SIG_SETMASK"}};
// include/uapi/linux/wait.h
inline constexpr NamedValue kWaitNames[] = {{1, "WNOHANG"},         {2, "WSTOPPED"},
                                            {4, "WEXITED"},         {8, "WCONTINUED"},
                                            {0x1000000, "WNOWAIT"}, {0x20000000, "__WNOTHREAD"},
                                            {0x40000000, "__WALL"}, {0x80000000, "__WCLONE"}};
inline constexpr NamedValue kIdTypeNames[] = {
    {0, "P_ALL"}, {1, "P_PID"}, {2, "P_PGID"}, {3, "P_PIDFD"}};
// include/uapi/linux/sched.h
inline constexpr NamedValue kCloneNames[] = {
    {0x00000100, "CLONE_VM"},
    {0x00000200, "CLONE_FS"},
    {0x00000400, "CLONE_FILES"},
    {0x00000800, "CLONE_SIGHAND"},
    {0x00001000, "CLONE_PIDFD"},
    {0x00002000, "CLONE_PTRACE"},
    {0x00004000, "CLONE_VFORK"},
    {0x00008000, "CLONE_PARENT"},
    {0x00010000, "CLONE_THREAD"},
    {0x00020000, "CLONE_NEWNS"},
    {0x00040000, "CLONE_SYSVSEM"},
    {0x00080000, "CLONE_SETTLS"},
    {0x00100000, "CLONE_PARENT_SETTID"},
    {0x00200000, "CLONE_CHILD_CLEARTID"},
    {0x00400000, "CLONE_DETACHED"},
    {0x00800000, "CLONE_UNTRACED"},
    {0x01000000, "CLONE_CHILD_SETTID"},
    {0x02000000, "CLONE_NEWCGROUP"},
    {0x04000000, "CLONE_NEWUTS"},
    {0x08000000, "CLONE_NEWIPC"},
    {0x10000000, "CLONE_NEWUSER"},
    {0x20000000, "CLONE_NEWPID"},
    {0x40000000, "CLONE_NEWNET"},
    {0x80000000, "CLONE_IO"},
    {0x100000000, "CLONE_CLEAR_SIGHAND"},
    {0x200000000, "CLONE_INTO_CGROUP"},
};
inline constexpr NamedValue kUnshareNames[] = {
    {0x00000080, "CLONE_NEWTIME"}, {0x00000100, "CLONE_VM"},      {0x00000200, "CLONE_FS"},
    {0x00000400, "CLONE_FILES"},   {0x00000800, "CLONE_SIGHAND"}, {0x00010000, "CLONE_THREAD"},
    {0x00020000, "CLONE_NEWNS"},   {0x00040000, "CLONE_SYSVSEM"}, {0x02000000, "CLONE_NEWCGROUP"},
    {0x04000000, "CLONE_NEWUTS"},  {0x08000000, "CLONE_NEWIPC"},  {0x10000000, "CLONE_NEWUSER"},
    {0x20000000, "CLONE_NEWPID"},  {0x40000000, "CLONE_NEWNET"},
};
// include/uapi/asm-generic/resource.h
inline constexpr NamedValue kRlimitNames[] = {
    {0, "RLIMIT_CPU"},       {1, "RLIMIT_FSIZE"}, {2, "RLIMIT_DATA"},    {3, "RLIMIT_STACK"},
    {4, "RLIMIT_CORE"},      {5, "RLIMIT_RSS"},   {6, "RLIMIT_NPROC"},   {7, "RLIMIT_NOFILE"},
    {8, "RLIMIT_MEMLOCK"},   {9, "RLIMIT_AS"},    {10, "RLIMIT_LOCKS"},  {11, "RLIMIT_SIGPENDING"},
    {12, "RLIMIT_MSGQUEUE"}, {13, "RLIMIT_NICE"}, {14, "RLIMIT_RTPRIO"}, {15, "RLIMIT_RTTIME"},
};
inline constexpr NamedValue kPriorityNames[] = {
    {0, "PRIO_PROCESS"}, {1, "PRIO_PGRP"}, {2, "PRIO_USER"}};
inline constexpr NamedValue kRusageNames[] = {
    {0, "RUSAGE_SELF"}, {0xffffffff, "RUSAGE_CHILDREN"}, {1, "RUSAGE_THREAD"}};
inline constexpr NamedValue kSchedNames[] = {
    {0, "SCHED_OTHER"}, {1, "SCHED_FIFO"},     {2, "SCHED_RR"}, {3, "SCHED_BATCH"},
    {5, "SCHED_IDLE"},  {6, "SCHED_DEADLINE"}, {7, "SCHED_EXT"}};
inline constexpr NamedValue kIoprioNames[] = {
    {1, "IOPRIO_WHO_PROCESS"}, {2, "IOPRIO_WHO_PGRP"}, {3, "IOPRIO_WHO_USER"}};
inline constexpr NamedValue kKcmpNames[] = {
    {0, "KCMP_FILE"},    {1, "KCMP_VM"}, {2, "KCMP_FILES"},   {3, "KCMP_FS"},
    {4, "KCMP_SIGHAND"}, {5, "KCMP_IO"}, {6, "KCMP_SYSVSEM"}, {7, "KCMP_EPOLL_TFD"}};
inline constexpr NamedValue kPidfdOpenNames[] = {{04000, "PIDFD_NONBLOCK"}, {0200, "PIDFD_THREAD"}};
inline constexpr NamedValue kPidfdSignalNames[] = {{1, "PIDFD_SIGNAL_THREAD"},
                                                   {2, "PIDFD_SIGNAL_THREAD_GROUP"},
                                                   {4, "PIDFD_SIGNAL_PROCESS_GROUP"}};
// include/uapi/asm-generic/signal-defs.h
inline constexpr NamedValue kSaNames[] = {
    {0x04000000, "SA_RESTORER"}, {0x08000000, "SA_ONSTACK"},   {0x10000000, "SA_RESTART"},
    {0x40000000, "SA_NODEFER"},  {0x80000000, "SA_RESETHAND"}, {0x4, "SA_SIGINFO"},
    {0x1, "SA_NOCLDSTOP"},       {0x2, "SA_NOCLDWAIT"},        {0x800, "SA_EXPOSE_TAGBITS"}};
inline constexpr NamedValue kSsNames[] = {
    {1, "SS_ONSTACK"}, {2, "SS_DISABLE"}, {0x80000000, "SS_AUTODISARM"}};
inline constexpr NamedValue kSiCodeNames[] = {{0, "SI_USER"},           {0x80, "SI_KERNEL"},
                                              {0xffffffff, "SI_QUEUE"}, {0xfffffffe, "SI_TIMER"},
                                              {0xfffffffd, "SI_MESGQ"}, {0xfffffffc, "SI_ASYNCIO"},
                                              {0xfffffffb, "SI_SIGIO"}, {0xfffffffa, "SI_TKILL"}};
inline constexpr NamedValue kChildCodeNames[] = {{1, "CLD_EXITED"},  {2, "CLD_KILLED"},
                                                 {3, "CLD_DUMPED"},  {4, "CLD_TRAPPED"},
                                                 {5, "CLD_STOPPED"}, {6, "CLD_CONTINUED"}};
inline constexpr NamedValue kSigevNames[] = {
    {0, "SIGEV_SIGNAL"}, {1, "SIGEV_NONE"}, {2, "SIGEV_THREAD"}, {4, "SIGEV_THREAD_ID"}};
inline constexpr NamedValue kFutexFlagNames[] = {
    {2, "FUTEX2_SIZE_U32", 3}, {4, "FUTEX2_NUMA"}, {128, "FUTEX2_PRIVATE"}};
inline constexpr NamedValue kFutexBitsetNames[] = {{0xffffffff, "FUTEX_BITSET_MATCH_ANY"}};
// include/uapi/linux/time.h
inline constexpr NamedValue kClockNames[] = {
    {0, "CLOCK_REALTIME"},          {1, "CLOCK_MONOTONIC"},     {2, "CLOCK_PROCESS_CPUTIME_ID"},
    {3, "CLOCK_THREAD_CPUTIME_ID"}, {4, "CLOCK_MONOTONIC_RAW"}, {5, "CLOCK_REALTIME_COARSE"},
    {6, "CLOCK_MONOTONIC_COARSE"},  {7, "CLOCK_BOOTTIME"},      {8, "CLOCK_REALTIME_ALARM"},
    {9, "CLOCK_BOOTTIME_ALARM"},    {11, "CLOCK_TAI"},
};
inline constexpr NamedValue kItimerNames[] = {
    {0, "ITIMER_REAL"}, {1, "ITIMER_VIRTUAL"}, {2, "ITIMER_PROF"}};
inline constexpr NamedValue kTimerSettimeNames[] = {{1, "TIMER_ABSTIME"}};
inline constexpr NamedValue kGetrandomNames[] = {
    {1, "GRND_NONBLOCK"}, {2, "GRND_RANDOM"}, {4, "GRND_INSECURE"}};
inline constexpr NamedValue kMembarrierNames[] = {
    {0, "MEMBARRIER_CMD_QUERY"},
    {1, "MEMBARRIER_CMD_GLOBAL"},
    {2, "MEMBARRIER_CMD_GLOBAL_EXPEDITED"},
    {4, "MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED"},
    {8, "MEMBARRIER_CMD_PRIVATE_EXPEDITED"},
    {16, "MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED"},
    {32, "MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE"},
    {64, "MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE"},
    {128, "MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ"},
    {256, "MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ"},
    {512, "MEMBARRIER_CMD_GET_REGISTRATIONS"},
};
// include/uapi/linux/personality.h
inline constexpr NamedValue kPersonalityNames[] = {
    {0xffffffff, "0xffffffff", 0xffffffff},  // only asks
    {0, "PER_LINUX", 0xff},
    {8, "PER_LINUX32", 0xff},
    {0x0020000, "UNAME26"},
    {0x0040000, "ADDR_NO_RANDOMIZE"},
    {0x0100000, "MMAP_PAGE_ZERO"},
    {0x0200000, "ADDR_COMPAT_LAYOUT"},
    {0x0400000, "READ_IMPLIES_EXEC"},
    {0x0800000, "ADDR_LIMIT_32BIT"},
    {0x1000000, "SHORT_INODE"},
    {0x2000000, "WHOLE_SECONDS"},
    {0x4000000, "STICKY_TIMEOUTS"},
    {0x8000000, "ADDR_LIMIT_3GB"}};
inline constexpr NamedValue kSyslogNames[] = {
    {0, "SYSLOG_ACTION_CLOSE"},         {1, "SYSLOG_ACTION_OPEN"},
    {2, "SYSLOG_ACTION_READ"},          {3, "SYSLOG_ACTION_READ_ALL"},
    {4, "SYSLOG_ACTION_READ_CLEAR"},    {5, "SYSLOG_ACTION_CLEAR"},
    {6, "SYSLOG_ACTION_CONSOLE_OFF"},   {7, "SYSLOG_ACTION_CONSOLE_ON"},
    {8, "SYSLOG_ACTION_CONSOLE_LEVEL"}, {9, "SYSLOG_ACTION_SIZE_UNREAD"},
    {10, "SYSLOG_ACTION_SIZE_BUFFER"}};
inline constexpr NamedValue kRebootNames[] = {
    {0x01234567, "LINUX_REBOOT_CMD_RESTART"},    {0xcdef0123, "LINUX_REBOOT_CMD_HALT"},
    {0x89abcdef, "LINUX_REBOOT_CMD_CAD_ON"},     {0, "LINUX_REBOOT_CMD_CAD_OFF"},
    {0x4321fedc, "LINUX_REBOOT_CMD_POWER_OFF"},  {0xa1b2c3d4, "LINUX_REBOOT_CMD_RESTART2"},
    {0xd000fce2, "LINUX_REBOOT_CMD_SW_SUSPEND"}, {0x45584543, "LINUX_REBOOT_CMD_KEXEC"}};
inline constexpr NamedValue kLandlockNames[] = {{1, "LANDLOCK_CREATE_RULESET_VERSION"},
                                                {2, "LANDLOCK_CREATE_RULESET_ERRATA"}};
inline constexpr NamedValue kModuleNames[] = {{1, "MODULE_INIT_IGNORE_MODVERSIONS"},
                                              {2, "MODULE_INIT_IGNORE_VERMAGIC"},
                                              {4, "MODULE_INIT_COMPRESSED_FILE"}};
inline constexpr NamedValue kSeccompNames[] = {{0, "SECCOMP_SET_MODE_STRICT"},
                                               {1, "SECCOMP_SET_MODE_FILTER"},
                                               {2, "SECCOMP_GET_ACTION_AVAIL"},
                                               {3, "SECCOMP_GET_NOTIF_SIZES"}};
inline constexpr NamedValue kDumpableNames[] = {
    {0, "SUID_DUMP_DISABLE"}, {1, "SUID_DUMP_USER"}, {2, "SUID_DUMP_ROOT"}};
inline constexpr NamedValue kTscNames[] = {{1, "PR_TSC_ENABLE"}, {2, "PR_TSC_SIGSEGV"}};
inline constexpr NamedValue kModifyLdtNames[] = {{0, "0"}, {1, "1"}, {2, "2"}, {0x11, "17"}};
// include/uapi/linux/capability.h
inline constexpr NamedValue kCapabilityNames[] = {{0, "CAP_CHOWN"},
                                                  {1, "CAP_DAC_OVERRIDE"},
                                                  {2, "CAP_DAC_READ_SEARCH"},
                                                  {3, "CAP_FOWNER"},
                                                  {4, "CAP_FSETID"},
                                                  {5, "CAP_KILL"},
                                                  {6, "CAP_SETGID"},
                                                  {7, "CAP_SETUID"},
                                                  {8, "CAP_SETPCAP"},
                                                  {9, "CAP_LINUX_IMMUTABLE"},
                                                  {10, "CAP_NET_BIND_SERVICE"},
                                                  {11, "CAP_NET_BROADCAST"},
                                                  {12, "CAP_NET_ADMIN"},
                                                  {13, "CAP_NET_RAW"},
                                                  {14, "CAP_IPC_LOCK"},
                                                  {15, "CAP_IPC_OWNER"},
                                                  {16, "CAP_SYS_MODULE"},
                                                  {17, "CAP_SYS_RAWIO"},
                                                  {18, "CAP_SYS_CHROOT"},
                                                  {19, "CAP_SYS_PTRACE"},
                                                  {20, "CAP_SYS_PACCT"},
                                                  {21, "CAP_SYS_ADMIN"},
                                                  {22, "CAP_SYS_BOOT"},
                                                  {23, "CAP_SYS_NICE"},
                                                  {24, "CAP_SYS_RESOURCE"},
                                                  {25, "CAP_SYS_TIME"},
                                                  {26, "CAP_SYS_TTY_CONFIG"},
                                                  {27, "CAP_MKNOD"},
                                                  {28, "CAP_LEASE"},
                                                  {29, "CAP_AUDIT_WRITE"},
                                                  {30, "CAP_AUDIT_CONTROL"},
                                                  {31, "CAP_SETFCAP"},
                                                  {32, "CAP_MAC_OVERRIDE"},
                                                  {33, "CAP_MAC_ADMIN"},
                                                  {34, "CAP_SYSLOG"},
                                                  {35, "CAP_WAKE_ALARM"},
                                                  {36, "CAP_BLOCK_SUSPEND"},
                                                  {37, "CAP_AUDIT_READ"},
                                                  {38, "CAP_PERFMON"},
                                                  {39, "CAP_BPF"},
                                                  {40, "CAP_CHECKPOINT_RESTORE"}};

inline constexpr FlagSet kProcessSets[] = {
    {Set::kProt, kProtNames, "PROT_???"},
    {Set::kMap, kMapNames, "MAP_???"},
    {Set::kMremap, kMremapNames, "MREMAP_???"},
    {Set::kMsync, kMsyncNames, "MS_???"},
    {Set::kMadvise, kMadviseNames, "MADV_???"},
    {Set::kMlock, kMlockNames, "MLOCK_???"},
    {Set::kMlockall, kMlockallNames, "MCL_???"},
    {Set::kMempolicy, kMempolicyNames, "MPOL_???"},
    {Set::kPkeyAccess, kPkeyNames, "PKEY_???"},
    {Set::kIpcKey, kIpcKeyNames, ""},
    {Set::kShmget, kShmgetNames, "", true},
    {Set::kShmat, kShmatNames, "SHM_???"},
    {Set::kMsgflg, kMsgflgNames, "MSG_???"},
    {Set::kSigHow, kSigHowNames, "SIG_???"},
    {Set::kWaitOptions, kWaitNames, "W???"},
    {Set::kIdType, kIdTypeNames, "P_???"},
    {Set::kClone, kCloneNames, "CLONE_???"},
    {Set::kUnshare, kUnshareNames, "CLONE_???"},
    {Set::kRlimitResource, kRlimitNames, "RLIMIT_???"},
    {Set::kPriority, kPriorityNames, "PRIO_???"},
    {Set::kRusageWho, kRusageNames, "RUSAGE_???"},
    {Set::kSchedPolicy, kSchedNames, "SCHED_???"},
    {Set::kIoprio, kIoprioNames, "IOPRIO_WHO_???"},
    {Set::kKcmp, kKcmpNames, "KCMP_???"},
    {Set::kPidfdOpen, kPidfdOpenNames, "PIDFD_???"},
    {Set::kPidfdSignal, kPidfdSignalNames, "PIDFD_SIGNAL_???"},
    {Set::kSaFlags, kSaNames, "SA_???"},
    {Set::kSsFlags, kSsNames, "SS_???"},
    {Set::kSiCode, kSiCodeNames, ""},
    {Set::kChildCode, kChildCodeNames, ""},
    {Set::kSigevNotify, kSigevNames, "SIGEV_???"},
    {Set::kFutexFlags, kFutexFlagNames, "FUTEX2_???"},
    {Set::kFutexBitset, kFutexBitsetNames, ""},
    {Set::kClockId, kClockNames, "CLOCK_???"},
    {Set::kItimerWhich, kItimerNames, "ITIMER_???"},
    {Set::kTimerSettime, kTimerSettimeNames, "TIMER_???"},
    {Set::kGetrandom, kGetrandomNames, "GRND_???"},
    {Set::kMembarrier, kMembarrierNames, "MEMBARRIER_CMD_???"},
    {Set::kPersonality, kPersonalityNames, "PER_???"},
    {Set::kSyslog, kSyslogNames, "SYSLOG_ACTION_???"},
    {Set::kReboot, kRebootNames, "LINUX_REBOOT_CMD_???"},
    {Set::kLandlock, kLandlockNames, "LANDLOCK_???"},
    {Set::kModule, kModuleNames, "MODULE_INIT_???"},
    {Set::kSeccomp, kSeccompNames, "SECCOMP_???"},
    {Set::kDumpable, kDumpableNames, ""},
    {Set::kTsc, kTscNames, "PR_TSC_???"},
    {Set::kModifyLdt, kModifyLdtNames, ""},
    {Set::kCapability, kCapabilityNames, "CAP_???"},
};

}  // namespace retake

#endif  // RETAKE_SYSCALLS_FLAGS_PROCESS_H_
