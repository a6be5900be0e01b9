// fcntl, prctl, arch_prctl, futex and the control calls of System V IPC and keys, by request.
//
// Values: include/uapi/asm-generic/fcntl.h, linux/fcntl.h, linux/prctl.h, linux/futex.h,
// linux/ipc.h, linux/keyctl.h and arch/x86/include/uapi/asm/prctl.h of Linux 6.18. They are the
// same on x86_64 and aarch64.
#include "syscalls/requests.h"

namespace retake {
namespace {

constexpr SubRow kFcntlRows[] = {
    Request(0, "F_DUPFD", Int("arg")).Opens(),
    Request(1, "F_GETFD").Results(ResultType::kFdFlags),
    Request(2, "F_SETFD", Flags("arg", Set::kFdFlags)),
    Request(3, "F_GETFL").Results(ResultType::kOpenFlags),
    Request(4, "F_SETFL", Flags("arg", Set::kOpen)),
    Request(5, "F_GETLK", InOut("arg", Type::kFlock)),
    Request(6, "F_SETLK", In("arg", Type::kFlock)),
    Request(7, "F_SETLKW", In("arg", Type::kFlock)).Blocks(),
    Request(8, "F_SETOWN", Int("arg")),
    Request(9, "F_GETOWN"),
    Request(10, "F_SETSIG", Signal("arg")),
    Request(11, "F_GETSIG"),
    Request(15, "F_SETOWN_EX", In("arg", Type::kOwnerEx)),
    Request(16, "F_GETOWN_EX", Out("arg", Type::kOwnerEx)),
    Request(17, "F_GETOWNER_UIDS", Out("arg", Type::kOpaque, Bytes(8))),
    Request(36, "F_OFD_GETLK", InOut("arg", Type::kFlock)),
    Request(37, "F_OFD_SETLK", In("arg", Type::kFlock)),
    Request(38, "F_OFD_SETLKW", In("arg", Type::kFlock)).Blocks(),
    Request(1024, "F_SETLEASE", Enum("arg", Set::kLease)),
    Request(1025, "F_GETLEASE"),
    Request(1026, "F_NOTIFY", Flags("arg", Set::kNotify)),
    Request(1027, "F_DUPFD_QUERY", FdArg("arg")),
    Request(1028, "F_CREATED_QUERY"),
    Request(1029, "F_CANCELLK", In("arg", Type::kFlock)),
    Request(1030, "F_DUPFD_CLOEXEC", Int("arg")).Opens(),
    Request(1031, "F_SETPIPE_SZ", Int("arg")),
    Request(1032, "F_GETPIPE_SZ"),
    Request(1033, "F_ADD_SEALS", Flags("arg", Set::kSeals)),
    Request(1034, "F_GET_SEALS").Results(ResultType::kHex),
    Request(1035, "F_GET_RW_HINT", Out("arg", Type::kLongWord)),
    Request(1036, "F_SET_RW_HINT", In("arg", Type::kLongWord)),
    Request(1037, "F_GET_FILE_RW_HINT", Out("arg", Type::kLongWord)),
    Request(1038, "F_SET_FILE_RW_HINT", In("arg", Type::kLongWord)),
};

constexpr SubRow kPrctlRows[] = {
    Request(1, "PR_SET_PDEATHSIG", Signal("sig")),
    Request(2, "PR_GET_PDEATHSIG", Out("sig", Type::kIntWord)),
    Request(3, "PR_GET_DUMPABLE"),
    Request(4, "PR_SET_DUMPABLE", Enum("dumpable", Set::kDumpable)),
    Request(5, "PR_GET_UNALIGN", Out("value", Type::kUintWord)),
    Request(6, "PR_SET_UNALIGN", Hex("value")),
    Request(7, "PR_GET_KEEPCAPS"),
    Request(8, "PR_SET_KEEPCAPS", Ulong("keep")),
    Request(9, "PR_GET_FPEMU", Out("value", Type::kUintWord)),
    Request(10, "PR_SET_FPEMU", Hex("value")),
    Request(11, "PR_GET_FPEXC", Out("value", Type::kUintWord)),
    Request(12, "PR_SET_FPEXC", Hex("value")),
    Request(13, "PR_GET_TIMING"),
    Request(14, "PR_SET_TIMING", Int("timing")),
    Request(15, "PR_SET_NAME", Str("name")),
    // Sixteen bytes, but only as many as the name has matter.
    Request(16, "PR_GET_NAME", Out("name", Type::kString, Bytes(16))),
    Request(19, "PR_GET_ENDIAN", Out("value", Type::kUintWord)),
    Request(20, "PR_SET_ENDIAN", Hex("value")),
    Request(21, "PR_GET_SECCOMP"),
    Request(22, "PR_SET_SECCOMP", Int("mode"), Address("filter")),
    Request(23, "PR_CAPBSET_READ", Enum("cap", Set::kCapability)),
    Request(24, "PR_CAPBSET_DROP", Enum("cap", Set::kCapability)),
    Request(25, "PR_GET_TSC", Out("value", Type::kIntWord)),
    Request(26, "PR_SET_TSC", Enum("value", Set::kTsc)),
    Request(27, "PR_GET_SECUREBITS").Results(ResultType::kHex),
    Request(28, "PR_SET_SECUREBITS", Hex("bits")),
    Request(29, "PR_SET_TIMERSLACK", Ulong("slack")),
    Request(30, "PR_GET_TIMERSLACK"),
    Request(31, "PR_TASK_PERF_EVENTS_DISABLE"),
    Request(32, "PR_TASK_PERF_EVENTS_ENABLE"),
    Request(33, "PR_MCE_KILL", Int("arg2"), Int("arg3")),
    Request(34, "PR_MCE_KILL_GET"),
    Request(35, "PR_SET_MM", Int("option"), Hex("addr"), Ulong("arg4"), Ulong("arg5")).Unknown(),
    Request(36, "PR_SET_CHILD_SUBREAPER", Ulong("on")),
    Request(37, "PR_GET_CHILD_SUBREAPER", Out("on", Type::kIntWord)),
    Request(38, "PR_SET_NO_NEW_PRIVS", Ulong("on"), Ulong("arg3"), Ulong("arg4"), Ulong("arg5")),
    Request(39, "PR_GET_NO_NEW_PRIVS", Ulong("arg2"), Ulong("arg3"), Ulong("arg4"), Ulong("arg5")),
    Request(40, "PR_GET_TID_ADDRESS", Out("address", Type::kPointerWord)),
    Request(41, "PR_SET_THP_DISABLE", Ulong("on"), Ulong("flags"), Ulong("arg4"), Ulong("arg5")),
    Request(42, "PR_GET_THP_DISABLE", Ulong("arg2"), Ulong("arg3"), Ulong("arg4"), Ulong("arg5")),
    Request(43, "PR_MPX_ENABLE_MANAGEMENT"),
    Request(44, "PR_MPX_DISABLE_MANAGEMENT"),
    Request(45, "PR_SET_FP_MODE", Hex("mode")),
    Request(46, "PR_GET_FP_MODE"),
    Request(47, "PR_CAP_AMBIENT", Int("op"), Enum("cap", Set::kCapability), Ulong("arg4"),
            Ulong("arg5")),
    Request(50, "PR_SVE_SET_VL", Hex("vl")).Executed(),
    Request(51, "PR_SVE_GET_VL"),
    Request(52, "PR_GET_SPECULATION_CTRL", Ulong("which")),
    Request(53, "PR_SET_SPECULATION_CTRL", Ulong("which"), Hex("control")),
    Request(54, "PR_PAC_RESET_KEYS", Hex("keys")),
    Request(55, "PR_SET_TAGGED_ADDR_CTRL", Hex("control")).Executed(),
    Request(56, "PR_GET_TAGGED_ADDR_CTRL"),
    Request(57, "PR_SET_IO_FLUSHER", Ulong("on")),
    Request(58, "PR_GET_IO_FLUSHER"),
    Request(59, "PR_SET_SYSCALL_USER_DISPATCH", Int("mode"), Hex("offset"), Hex("len"),
            Address("selector")),
    Request(60, "PR_PAC_SET_ENABLED_KEYS", Hex("affected"), Hex("enabled")).Executed(),
    Request(61, "PR_PAC_GET_ENABLED_KEYS"),
    Request(62, "PR_SCHED_CORE", Int("op"), Int("pid"), Int("type"),
            Out("cookie", Type::kLongWord)),
    Request(63, "PR_SME_SET_VL", Hex("vl")).Executed(),
    Request(64, "PR_SME_GET_VL"),
    Request(65, "PR_SET_MDWE", Hex("bits"), Ulong("arg3"), Ulong("arg4"), Ulong("arg5")),
    Request(66, "PR_GET_MDWE", Ulong("arg2"), Ulong("arg3"), Ulong("arg4"), Ulong("arg5")),
    Request(67, "PR_SET_MEMORY_MERGE", Ulong("on")),
    Request(68, "PR_GET_MEMORY_MERGE"),
    Request(74, "PR_GET_SHADOW_STACK_STATUS", Out("status", Type::kLongWord)),
    Request(75, "PR_SET_SHADOW_STACK_STATUS", Hex("status")).Executed(),
    Request(76, "PR_LOCK_SHADOW_STACK_STATUS", Hex("status")),
    Request(77, "PR_TIMER_CREATE_RESTORE_IDS", Ulong("mode")),
    Request(78, "PR_FUTEX_HASH", Ulong("op"), Ulong("arg3"), Ulong("arg4")),
    Request(0x41555856, "PR_GET_AUXV", Out("auxv", Type::kOpaque, ByResult(2)), Ulong("size")),
    Request(0x53564d41, "PR_SET_VMA", Int("attr"), Address("addr"), Ulong("size"), Str("name")),
    Request(0x59616d61, "PR_SET_PTRACER", Long("pid")),
};

constexpr SubRow kArchPrctlRows[] = {
    Request(0x1001, "ARCH_SET_GS", Address("addr")),
    Request(0x1002, "ARCH_SET_FS", Address("addr")),
    Request(0x1003, "ARCH_GET_FS", Out("addr", Type::kPointerWord)),
    Request(0x1004, "ARCH_GET_GS", Out("addr", Type::kPointerWord)),
    Request(0x1011, "ARCH_GET_CPUID"),
    Request(0x1012, "ARCH_SET_CPUID", Ulong("on")),
    Request(0x1021, "ARCH_GET_XCOMP_SUPP", Out("features", Type::kLongWord)),
    Request(0x1022, "ARCH_GET_XCOMP_PERM", Out("features", Type::kLongWord)),
    Request(0x1023, "ARCH_REQ_XCOMP_PERM", Ulong("feature")).Executed(),
    Request(0x1024, "ARCH_GET_XCOMP_GUEST_PERM", Out("features", Type::kLongWord)),
    Request(0x1025, "ARCH_REQ_XCOMP_GUEST_PERM", Ulong("feature")),
    Request(0x2001, "ARCH_MAP_VDSO_X32", Address("addr")),
    Request(0x2002, "ARCH_MAP_VDSO_32", Address("addr")),
    Request(0x2003, "ARCH_MAP_VDSO_64", Address("addr")),
    Request(0x3001, "ARCH_CET_STATUS", Address("addr")),  // glibc before 2.39 asks; EINVAL
    Request(0x4001, "ARCH_GET_UNTAG_MASK", Out("mask", Type::kLongWord)),
    Request(0x4002, "ARCH_ENABLE_TAGGED_ADDR", Ulong("bits")).Executed(),
    Request(0x4003, "ARCH_GET_MAX_TAG_BITS", Out("bits", Type::kLongWord)),
    Request(0x4004, "ARCH_FORCE_TAGGED_SVA"),
    Request(0x5001, "ARCH_SHSTK_ENABLE", Hex("features")).Executed(),
    Request(0x5002, "ARCH_SHSTK_DISABLE", Hex("features")).Executed(),
    Request(0x5003, "ARCH_SHSTK_LOCK", Hex("features")),
    Request(0x5004, "ARCH_SHSTK_UNLOCK", Hex("features")),
    Request(0x5005, "ARCH_SHSTK_STATUS", Out("features", Type::kLongWord)),
};

// The operations on priority-inheritance futexes write the lock word, also when they fail or are
// interrupted (the waiters' bit).
constexpr Arg kOp = Plain("futex_op", Type::kFutexOp);
constexpr Arg kLockWord = InOut("uaddr", Type::kUintWord).Always();
constexpr Arg kUaddr = Address("uaddr");
constexpr Arg kUaddr2 = Address("uaddr2");
constexpr Arg kTimeout = In("timeout", Type::kTimespec);

constexpr SubRow kFutexRows[] = {
    Request(0, "FUTEX_WAIT", kUaddr, kOp, Uint("val"), kTimeout).Blocks(),
    Request(1, "FUTEX_WAKE", kUaddr, kOp, Uint("val")),
    Request(2, "FUTEX_FD", kUaddr, kOp, Uint("val")),
    Request(3, "FUTEX_REQUEUE", kUaddr, kOp, Uint("val"), Uint("val2"), kUaddr2),
    Request(4, "FUTEX_CMP_REQUEUE", kUaddr, kOp, Uint("val"), Uint("val2"), kUaddr2, Uint("val3")),
    Request(5, "FUTEX_WAKE_OP", kUaddr, kOp, Uint("val"), Uint("val2"),
            InOut("uaddr2", Type::kUintWord).Always(), Hex("val3")),
    Request(6, "FUTEX_LOCK_PI", kLockWord, kOp, Hidden("val"), kTimeout).Blocks(),
    Request(7, "FUTEX_UNLOCK_PI", kLockWord, kOp),
    Request(8, "FUTEX_TRYLOCK_PI", kLockWord, kOp),
    Request(9, "FUTEX_WAIT_BITSET", kUaddr, kOp, Uint("val"), kTimeout, Hidden("uaddr2"),
            Enum("val3", Set::kFutexBitset))
        .Blocks(),
    Request(10, "FUTEX_WAKE_BITSET", kUaddr, kOp, Uint("val"), Hidden("timeout"), Hidden("uaddr2"),
            Enum("val3", Set::kFutexBitset)),
    Request(11, "FUTEX_WAIT_REQUEUE_PI", kUaddr, kOp, Uint("val"), kTimeout,
            InOut("uaddr2", Type::kUintWord).Always())
        .Blocks(),
    Request(12, "FUTEX_CMP_REQUEUE_PI", kUaddr, kOp, Uint("val"), Uint("val2"),
            InOut("uaddr2", Type::kUintWord).Always(), Uint("val3")),
    Request(13, "FUTEX_LOCK_PI2", kLockWord, kOp, Hidden("val"), kTimeout).Blocks(),
};

// struct shmid64_ds, shminfo64, shm_info.
constexpr SubRow kShmctlRows[] = {
    Request(0, "IPC_RMID"),
    Request(1, "IPC_SET", In("buf", Type::kOpaque, Bytes(112))),
    Request(2, "IPC_STAT", Out("buf", Type::kOpaque, Bytes(112))),
    Request(3, "IPC_INFO", Out("buf", Type::kOpaque, Bytes(72))),
    Request(11, "SHM_LOCK"),
    Request(12, "SHM_UNLOCK"),
    Request(13, "SHM_STAT", Out("buf", Type::kOpaque, Bytes(112))),
    Request(14, "SHM_INFO", Out("buf", Type::kOpaque, Bytes(48))),
    Request(15, "SHM_STAT_ANY", Out("buf", Type::kOpaque, Bytes(112))),
};

// struct semid64_ds is 104 bytes on x86_64, 88 on aarch64; seminfo.
constexpr SizeRule kSemidDs = Approximately(Bytes(104));
constexpr SubRow kSemctlRows[] = {
    Request(0, "IPC_RMID"),
    Request(1, "IPC_SET", In("arg", Type::kOpaque, kSemidDs)),
    Request(2, "IPC_STAT", Out("arg", Type::kOpaque, kSemidDs)),
    Request(3, "IPC_INFO", Out("arg", Type::kOpaque, Bytes(40))),
    Request(11, "GETPID"),
    Request(12, "GETVAL"),
    Request(13, "GETALL", Address("arg")).Unknown(),
    Request(14, "GETNCNT"),
    Request(15, "GETZCNT"),
    Request(16, "SETVAL", Int("arg")),
    Request(17, "SETALL", Address("arg")),
    Request(18, "SEM_STAT", Out("arg", Type::kOpaque, kSemidDs)),
    Request(19, "SEM_INFO", Out("arg", Type::kOpaque, Bytes(40))),
    Request(20, "SEM_STAT_ANY", Out("arg", Type::kOpaque, kSemidDs)),
};

// struct msqid64_ds, msginfo.
constexpr SubRow kMsgctlRows[] = {
    Request(0, "IPC_RMID"),
    Request(1, "IPC_SET", In("buf", Type::kOpaque, Bytes(120))),
    Request(2, "IPC_STAT", Out("buf", Type::kOpaque, Bytes(120))),
    Request(3, "IPC_INFO", Out("buf", Type::kOpaque, Bytes(32))),
    Request(11, "MSG_STAT", Out("buf", Type::kOpaque, Bytes(120))),
    Request(12, "MSG_INFO", Out("buf", Type::kOpaque, Bytes(32))),
    Request(13, "MSG_STAT_ANY", Out("buf", Type::kOpaque, Bytes(120))),
};

constexpr SubRow kKeyctlRows[] = {
    Request(0, "KEYCTL_GET_KEYRING_ID", Int("key"), Int("create")),
    Request(1, "KEYCTL_JOIN_SESSION_KEYRING", Str("name")),
    Request(2, "KEYCTL_UPDATE", Int("key"), In("payload", Type::kBuffer, ByArg(3)), Ulong("plen")),
    Request(3, "KEYCTL_REVOKE", Int("key")),
    Request(4, "KEYCTL_CHOWN", Int("key"), Int("uid"), Int("gid")),
    Request(5, "KEYCTL_SETPERM", Int("key"), Hex("perm")),
    Request(6, "KEYCTL_DESCRIBE", Int("key"), Out("buf", Type::kBuffer, ByResult(3)), Ulong("len")),
    Request(7, "KEYCTL_CLEAR", Int("keyring")),
    Request(8, "KEYCTL_LINK", Int("key"), Int("keyring")),
    Request(9, "KEYCTL_UNLINK", Int("key"), Int("keyring")),
    Request(10, "KEYCTL_SEARCH", Int("keyring"), Str("type"), Str("description"), Int("dest")),
    Request(11, "KEYCTL_READ", Int("key"), Out("buf", Type::kBuffer, ByResult(3)), Ulong("len")),
    Request(12, "KEYCTL_INSTANTIATE", Int("key"), In("payload", Type::kBuffer, ByArg(3)),
            Ulong("plen"), Int("keyring")),
    Request(13, "KEYCTL_NEGATE", Int("key"), Uint("timeout"), Int("keyring")),
    Request(14, "KEYCTL_SET_REQKEY_KEYRING", Int("value")),
    Request(15, "KEYCTL_SET_TIMEOUT", Int("key"), Uint("timeout")),
    Request(16, "KEYCTL_ASSUME_AUTHORITY", Int("key")),
    Request(17, "KEYCTL_GET_SECURITY", Int("key"), Out("buf", Type::kBuffer, ByResult(3)),
            Ulong("len")),
    Request(18, "KEYCTL_SESSION_TO_PARENT"),
    Request(19, "KEYCTL_REJECT", Int("key"), Uint("timeout"), Uint("error"), Int("keyring")),
    Request(21, "KEYCTL_INVALIDATE", Int("key")),
    Request(22, "KEYCTL_GET_PERSISTENT", Int("uid"), Int("keyring")),
    Request(29, "KEYCTL_RESTRICT_KEYRING", Int("keyring"), Str("type"), Str("restriction")),
    Request(30, "KEYCTL_MOVE", Int("key"), Int("from"), Int("to"), Uint("flags")),
    Request(31, "KEYCTL_CAPABILITIES", Out("buf", Type::kOpaque, ByResult(2)), Ulong("len")),
};

}  // namespace

constexpr uint32_t kWholeWord = 0xffffffff;
// FUTEX_PRIVATE_FLAG and FUTEX_CLOCK_REALTIME aren't part of the operation.
constexpr uint32_t kFutexCommand = 0x7f;
// IPC_64 is a bit of the command that 64-bit kernels ignore.
constexpr uint32_t kIpcCommand = 0xfffffeff;

const SubTable kFcntl = {1, kWholeWord, 2, kFcntlRows, true};
const SubTable kPrctl = {0, kWholeWord, 1, kPrctlRows, true};
const SubTable kArchPrctl = {0, kWholeWord, 1, kArchPrctlRows, true};
const SubTable kFutex = {1, kFutexCommand, 0, kFutexRows, true};
const SubTable kShmctl = {1, kIpcCommand, 2, kShmctlRows, true};
const SubTable kSemctl = {2, kIpcCommand, 3, kSemctlRows, true};
const SubTable kMsgctl = {1, kIpcCommand, 2, kMsgctlRows, true};
const SubTable kKeyctl = {0, kWholeWord, 1, kKeyctlRows, true};

}  // namespace retake
