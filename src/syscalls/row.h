// Row: all that retake knows of one syscall, as constant data, and the small language that rows are
// written in.
//
// A row is its arguments plus columns for the recorder. An argument says what it is (`Type`, which
// chooses a decoder), which way it goes, and, if the kernel writes through it, how much
// (`SizeRule`) and when (`When`). Calls whose arguments depend on a request number (ioctl, fcntl,
// prctl, futex,
// ...) have a `SubTable`. Rows are written in rows_*.h by family and joined in table.cc, where a
// missing or double row fails the build.
//
// Sizes come from the kernel's uapi headers; where a structure's size differs per architecture the
// rule names a member of AbiLayout.
#ifndef RETAKE_SYSCALLS_ROW_H_
#define RETAKE_SYSCALLS_ROW_H_

#include <array>
#include <cerrno>
#include <cstdint>
#include <span>
#include <string_view>

#include "arch/arch.h"
#include "syscalls/table.h"

namespace retake {

// What an argument is: chooses its decoder and, for structures, their size.
enum class Type : uint8_t {
  kHidden,  // there in the registers, not shown (the high half of an offset)
  // Numbers.
  kInt,    // signed, 32 bits
  kUint,   // unsigned, 32 bits
  kLong,   // signed, 64 bits
  kUlong,  // unsigned, 64 bits
  kHex,    // unsigned, 64 bits, shown as hex
  kAddress,
  kMode,      // octal permissions
  kFileMode,  // octal permissions with S_IFMT bits (mknod)
  kDev,
  kSignal,
  kFd,
  kDirFd,
  kFlags,     // bits of `set`
  kEnum,      // one value of `set`
  kSelector,  // the request number of the row's sub-table
  kFutexOp,
  kCloneFlags,
  kSocketType,
  kSocketProtocol,
  kSocketOption,
  kSchedPolicy,
  // Text and bytes.
  kPath,
  kString,
  kBuffer,
  kHexBuffer,    // random bytes: shown as hex
  kStrings,      // argv
  kEnvironment,  // envp: only counted
  // Vectors of buffers.
  kIovec,
  kIovecAddresses,  // of another process: shown as addresses
  kMsghdr,
  kMmsghdr,
  // Structures and arrays.
  kSockaddr,
  kSockLength,
  kSocketValue,  // getsockopt, setsockopt
  kStat,
  kStatx,
  kStatfs,
  kDirents,
  kDirents64,
  kTimespec,
  kTimespecs2,
  kTimeval,
  kTimevals2,
  kTimezone,
  kUtimbuf,
  kItimerspec,
  kItimerval,
  kTimeT,
  kTimex,
  kTms,
  kSigset,
  kSelectSigmask,  // pselect6's sixth
  kSigaction,
  kSiginfo,
  kSigevent,
  kStack,
  kWaitStatus,
  kRusage,
  kRlimit,
  kPollfds,
  kFdSet,
  kEpollEvent,
  kEpollEvents,
  kIntWord,
  kUintWord,
  kLongWord,
  kPointerWord,
  kIdWord,
  kFdPair,
  kIds,  // an array of uid or gid
  kUtsname,
  kSysinfo,
  kCloneArgs,
  kOpenHow,
  kTermios,
  kTermios2,
  kWinsize,
  kFlock,
  kOwnerEx,
  kCpuSet,
  kCapHeader,
  kCapData,
  kMqAttr,
  kSchedParam,
  kSchedAttr,
  kSembufs,
  kFutexWaitv,
  kFileHandle,
  kOpaque,  // known size, no decoder: shown as its address
  kCount,
};

// Named values; tables in flag_sets.cc.
enum class Set : uint8_t {
  kNone,
  kOpen,
  kAt,
  kAtStatx,
  kAtAccess,
  kAtUnlink,
  kAtLink,
  kAtHandle,
  kAtExec,
  kAccess,
  kWhence,
  kProt,
  kMap,
  kMremap,
  kMsync,
  kMadvise,
  kMlock,
  kMlockall,
  kMempolicy,
  kIpcKey,
  kShmget,
  kShmat,
  kMsgflg,
  kSigHow,
  kWaitOptions,
  kIdType,
  kClone,
  kUnshare,
  kRlimitResource,
  kPriority,
  kRusageWho,
  kSchedPolicy,
  kSocketFamily,
  kSocketLevel,
  kMsgFlags,
  kShutdown,
  kAccept4,
  kPollEvents,
  kEpollCtl,
  kEpollEvents,
  kEpollCreate,
  kEventfd,
  kSignalfd,
  kTimerfd,
  kTimerfdSettime,
  kTimerSettime,
  kInotifyInit,
  kInotifyMask,
  kFanotifyInit,
  kFanotifyMark,
  kPipe,
  kDup3,
  kCloseRange,
  kFlockOp,
  kSplice,
  kRwf,
  kSyncRange,
  kFallocate,
  kFadvise,
  kRename,
  kXattr,
  kStatxMask,
  kMemfd,
  kGetrandom,
  kClockId,
  kItimerWhich,
  kFdFlags,
  kSeals,
  kLease,
  kNotify,
  kMount,
  kUmount,
  kMembarrier,
  kPersonality,
  kSyslog,
  kReboot,
  kIoprio,
  kKcmp,
  kPidfdOpen,
  kPidfdSignal,
  kLandlock,
  kModule,
  kSeccomp,
  kTciflush,
  kTcflow,
  kFsopen,
  kFsmount,
  kFspick,
  kMoveMount,
  kOpenTree,
  kPkeyAccess,
  kResolve,
  kSaFlags,
  kSsFlags,
  kDumpable,
  kTsc,
  kFutexFlags,
  kSwap,
  kModifyLdt,
  kSigevNotify,
  kFutexBitset,
  kTermInput,
  kTermOutput,
  kTermControl,
  kTermLocal,
  kSocketOption,
  kTcpOption,
  kIpOption,
  kIpv6Option,
  kIpProtocol,
  kNetlinkProtocol,
  kSocketType,
  kSiCode,
  kChildCode,
  kFsMagic,
  kStFlags,
  kLockType,
  kOwnerType,
  kStatxAttributes,
  kCmsgType,
  kCapability,
  kCount,
};

enum class Direction : uint8_t { kIn, kOut, kInOut };

// When the kernel may have written through an output argument.
enum class When : uint8_t {
  kSuccess,      // the call succeeded
  kInterrupted,  // ... or was interrupted: EINTR, or a restart result
  kAlways,       // whatever the result
};

// How many bytes lie behind a pointer.
enum class Sized : uint8_t {
  kNone,           // not known: nothing is recorded
  kFixed,          // one unit
  kResult,         // result units, at most args[arg] units where arg is given
  kArg,            // args[arg] units, plus `extra` bytes
  kArgBits,        // a bitmap of args[arg] bits, in whole longs
  kArgPages,       // one byte per page of args[arg] bytes
  kLengthAt,       // as many bytes as the 32-bit word at args[arg] says
  kLengthAtStart,  // as the 32-bit word it begins with says, plus `extra` bytes
  kString,         // up to its NUL
  kIovec,          // args[arg] iovecs, holding `result` bytes together
  kReceived,       // one msghdr that was received into
  kReceivedMany,   // `result` mmsghdrs that were received into
};

struct SizeRule {
  Sized kind = Sized::kNone;
  int8_t arg = -1;
  uint16_t AbiLayout::*abi = nullptr;  // the unit, where it differs per architecture
  uint32_t unit = 1;                   // bytes
  uint32_t extra = 0;
  uint32_t limit = 64u << 20;  // bytes: no rule yields more
  // May reach past what the kernel wrote, so also past what is mapped: cut to what can be read.
  bool approximate = false;
};

constexpr SizeRule Bytes(uint32_t size) { return {.kind = Sized::kFixed, .unit = size}; }
constexpr SizeRule Abi(uint16_t AbiLayout::*abi) { return {.kind = Sized::kFixed, .abi = abi}; }
// The most that one call reads or writes: MAX_RW_COUNT rounded up.
inline constexpr uint32_t kMaxTransfer = 0x80000000;

// `result` units; the program gave room for args[arg].
constexpr SizeRule ByResult(int arg, uint32_t unit = 1) {
  return {
      .kind = Sized::kResult, .arg = static_cast<int8_t>(arg), .unit = unit, .limit = kMaxTransfer};
}
constexpr SizeRule ByResult(int arg, uint16_t AbiLayout::*abi) {
  return {
      .kind = Sized::kResult, .arg = static_cast<int8_t>(arg), .abi = abi, .limit = kMaxTransfer};
}
constexpr SizeRule ByArg(int arg, uint32_t unit = 1) {
  return {.kind = Sized::kArg, .arg = static_cast<int8_t>(arg), .unit = unit};
}
constexpr SizeRule BitsOf(int arg) {
  return {.kind = Sized::kArgBits,
          .arg = static_cast<int8_t>(arg),
          .limit = 1u << 20,
          .approximate = true};
}
constexpr SizeRule LengthAt(int arg, uint32_t limit) {
  return {.kind = Sized::kLengthAt,
          .arg = static_cast<int8_t>(arg),
          .limit = limit,
          .approximate = true};
}
constexpr SizeRule IovecOf(int arg) {
  return {.kind = Sized::kIovec, .arg = static_cast<int8_t>(arg)};
}
constexpr SizeRule Approximately(SizeRule rule) {
  rule.approximate = true;
  return rule;
}

// The size of a structure that has only one.
constexpr SizeRule DefaultSize(Type type) {
  switch (type) {
    case Type::kStat:
      return Abi(&AbiLayout::stat_size);
    case Type::kStatfs:
      return Abi(&AbiLayout::statfs_size);
    case Type::kEpollEvent:
      return Abi(&AbiLayout::epoll_event_size);
    case Type::kSigaction:
      return Abi(&AbiLayout::ksigaction_size);
    case Type::kMsghdr:
      return Abi(&AbiLayout::msghdr_size);
    case Type::kFlock:
      return Abi(&AbiLayout::flock_size);
    case Type::kTermios:
      return Abi(&AbiLayout::termios_size);
    case Type::kUtsname:
      return Abi(&AbiLayout::utsname_size);
    case Type::kRusage:
      return Abi(&AbiLayout::rusage_size);
    case Type::kSysinfo:
      return Abi(&AbiLayout::sysinfo_size);
    case Type::kStatx:
      return Bytes(256);
    case Type::kTimespec:
    case Type::kTimeval:
    case Type::kUtimbuf:
    case Type::kRlimit:
    case Type::kSelectSigmask:
      return Bytes(16);
    case Type::kTimespecs2:
    case Type::kTimevals2:
    case Type::kItimerspec:
    case Type::kItimerval:
    case Type::kTms:
      return Bytes(32);
    case Type::kTimezone:
    case Type::kTimeT:
    case Type::kSigset:
    case Type::kLongWord:
    case Type::kPointerWord:
    case Type::kFdPair:
    case Type::kWinsize:
    case Type::kOwnerEx:
    case Type::kCapHeader:
      return Bytes(8);
    case Type::kTimex:
      return Bytes(208);
    case Type::kSiginfo:
      return Bytes(128);
    case Type::kSigevent:
    case Type::kMqAttr:
      return Bytes(64);
    case Type::kStack:
      return Bytes(24);
    case Type::kTermios2:
      return Bytes(44);
    case Type::kWaitStatus:
    case Type::kIntWord:
    case Type::kUintWord:
    case Type::kIdWord:
    case Type::kSchedParam:
      return Bytes(4);
    // Never looked at where the address isn't wanted, so it may be anything.
    case Type::kSockLength:
      return Approximately(Bytes(4));
    case Type::kPath:
    case Type::kString:
      return {.kind = Sized::kString, .limit = 4096};
    default:
      return {};
  }
}

struct Arg {
  std::string_view name;
  Type type = Type::kHidden;
  Direction direction = Direction::kIn;
  When when = When::kSuccess;
  Set set = Set::kNone;
  SizeRule size;

  constexpr Arg Always() const {
    Arg arg = *this;
    arg.when = When::kAlways;
    return arg;
  }
  constexpr Arg Interrupted() const {
    Arg arg = *this;
    arg.when = When::kInterrupted;
    return arg;
  }
  constexpr bool IsOutput() const { return direction != Direction::kIn; }
  constexpr bool IsInput() const { return direction != Direction::kOut; }
};

// The language of the rows.
constexpr Arg Plain(std::string_view name, Type type) { return {.name = name, .type = type}; }
constexpr Arg Int(std::string_view name) { return Plain(name, Type::kInt); }
constexpr Arg Uint(std::string_view name) { return Plain(name, Type::kUint); }
constexpr Arg Long(std::string_view name) { return Plain(name, Type::kLong); }
constexpr Arg Ulong(std::string_view name) { return Plain(name, Type::kUlong); }
constexpr Arg Hex(std::string_view name) { return Plain(name, Type::kHex); }
constexpr Arg Address(std::string_view name) { return Plain(name, Type::kAddress); }
constexpr Arg Mode(std::string_view name) { return Plain(name, Type::kMode); }
constexpr Arg Signal(std::string_view name) { return Plain(name, Type::kSignal); }
constexpr Arg FdArg(std::string_view name) { return Plain(name, Type::kFd); }
constexpr Arg DirFd(std::string_view name = "dirfd") { return Plain(name, Type::kDirFd); }
constexpr Arg Hidden(std::string_view name) { return Plain(name, Type::kHidden); }
constexpr Arg Selector(std::string_view name) { return Plain(name, Type::kSelector); }
constexpr Arg Flags(std::string_view name, Set set) {
  return {.name = name, .type = Type::kFlags, .set = set};
}
constexpr Arg Enum(std::string_view name, Set set) {
  return {.name = name, .type = Type::kEnum, .set = set};
}
constexpr Arg In(std::string_view name, Type type, SizeRule size) {
  return {.name = name, .type = type, .size = size};
}
constexpr Arg In(std::string_view name, Type type) { return In(name, type, DefaultSize(type)); }
constexpr Arg Out(std::string_view name, Type type, SizeRule size) {
  return {.name = name, .type = type, .direction = Direction::kOut, .size = size};
}
constexpr Arg Out(std::string_view name, Type type) { return Out(name, type, DefaultSize(type)); }
constexpr Arg InOut(std::string_view name, Type type, SizeRule size) {
  return {.name = name, .type = type, .direction = Direction::kInOut, .size = size};
}
constexpr Arg InOut(std::string_view name, Type type) {
  return InOut(name, type, DefaultSize(type));
}
constexpr Arg Path(std::string_view name = "pathname") { return In(name, Type::kPath); }
constexpr Arg Str(std::string_view name) { return In(name, Type::kString); }

// How a result is shown.
enum class ResultType : uint8_t { kNumber, kFd, kHex, kMode, kOpenFlags, kFdFlags, kNothing };

// One request of a call that multiplexes many.
struct SubRow {
  uint32_t value = 0;
  std::string_view name;
  std::array<Arg, 6> args{};  // those from SubTable::first_arg on
  uint8_t arg_count = 0;
  uint32_t mask = 0xffffffff;  // bits of the request number that `value` is compared in
  MapEffect map = MapEffect::kNone;
  FdEffect fd = FdEffect::kNone;
  bool unknown = false;    // its outputs aren't known
  bool may_block = false;  // where the row may
  ResultType result = ResultType::kNumber;

  constexpr SubRow Executed() const {
    SubRow row = *this;
    row.map = MapEffect::kExecuted;
    return row;
  }
  constexpr SubRow Blocks() const {
    SubRow row = *this;
    row.may_block = true;
    return row;
  }
  constexpr SubRow Opens() const {
    SubRow row = *this;
    row.fd = FdEffect::kOpens;
    row.result = ResultType::kFd;
    return row;
  }
  constexpr SubRow Unknown() const {
    SubRow row = *this;
    row.unknown = true;
    return row;
  }
  constexpr SubRow Masked(uint32_t bits) const {
    SubRow row = *this;
    row.mask = bits;
    return row;
  }
  constexpr SubRow Results(ResultType type) const {
    SubRow row = *this;
    row.result = type;
    return row;
  }
};

template <typename... Args>
constexpr SubRow Request(uint32_t value, std::string_view name, Args... args) {
  static_assert(sizeof...(args) <= 6);
  SubRow row;
  row.value = value;
  row.name = name;
  row.arg_count = sizeof...(args);
  size_t i = 0;
  ((row.args[i++] = args), ...);
  return row;
}

struct SubTable {
  uint8_t selector;   // index of the argument that holds the request
  uint32_t mask;      // its bits that count
  uint8_t first_arg;  // the row's arguments from here on are the request's own
  std::span<const SubRow> rows;
  bool unknown_by_default;  // outputs of a request that isn't in `rows` can't be known
};

struct Row {
  Sys sys = Sys::kNone;
  std::array<Arg, 6> args{};
  uint8_t arg_count = 0;
  int8_t write_fd = -1;
  Disposition record = Disposition::kStop;
  bool may_block = false;
  bool preview_before = false;
  bool outputs_unknown = false;
  uint16_t deny_errno = 0;
  MapEffect map = MapEffect::kNone;
  FdEffect fd = FdEffect::kNone;
  TaskEffect task = TaskEffect::kNone;
  WriteSource write = WriteSource::kNone;
  ResultType result = ResultType::kNumber;
  const SubTable* sub = nullptr;
  // Outputs that no rule above describes, in addition to them.
  void (*more_outputs)(const Call& call, std::vector<Range>& out) = nullptr;
  std::string_view why;  // of a disposition or an effect that isn't obvious

  constexpr Row Blocks() const {
    Row row = *this;
    row.may_block = true;
    return row;
  }
  constexpr Row Deny(int error, std::string_view reason) const {
    Row row = *this;
    row.record = Disposition::kDeny;
    row.deny_errno = static_cast<uint16_t>(error);
    row.why = reason;
    return row;
  }
  constexpr Row Maps(MapEffect effect) const {
    Row row = *this;
    row.map = effect;
    return row;
  }
  constexpr Row Fds(FdEffect effect) const {
    Row row = *this;
    row.fd = effect;
    if (effect == FdEffect::kOpens) row.result = ResultType::kFd;
    return row;
  }
  constexpr Row Opens() const { return Fds(FdEffect::kOpens); }
  constexpr Row Tasks(TaskEffect effect) const {
    Row row = *this;
    row.task = effect;
    return row;
  }
  constexpr Row Writes(WriteSource source, int fd_arg) const {
    Row row = *this;
    row.write = source;
    row.write_fd = static_cast<int8_t>(fd_arg);
    return row;
  }
  constexpr Row Results(ResultType type) const {
    Row row = *this;
    row.result = type;
    return row;
  }
  constexpr Row With(const SubTable& table) const {
    Row row = *this;
    row.sub = &table;
    return row;
  }
  constexpr Row Also(void (*outputs)(const Call&, std::vector<Range>&)) const {
    Row row = *this;
    row.more_outputs = outputs;
    return row;
  }
  constexpr Row PreviewedBefore() const {
    Row row = *this;
    row.preview_before = true;
    return row;
  }
  constexpr Row UnknownOutputs() const {
    Row row = *this;
    row.outputs_unknown = true;
    return row;
  }
  constexpr Row Why(std::string_view reason) const {
    Row row = *this;
    row.why = reason;
    return row;
  }
};

template <typename... Args>
constexpr Row MakeRow(Sys sys, Args... args) {
  static_assert(sizeof...(args) <= 6);
  Row row;
  row.sys = sys;
  row.arg_count = sizeof...(args);
  size_t i = 0;
  ((row.args[i++] = args), ...);
  return row;
}

// A call that Linux once had, or reserved: the kernel itself answers ENOSYS.
constexpr Row Unimplemented(Sys sys) {
  return MakeRow(sys).Why("the kernel has no such call any more and answers ENOSYS");
}

// The request that a call makes, or null: no sub-table, or a request that isn't in it.
const SubRow* RequestOf(const Row& row, const Call& call);
// The arguments of a call, those of its request included; `out` gets up to six.
struct Arguments {
  std::array<const Arg*, 6> args{};
  int count = 0;
};
Arguments ArgumentsOf(const Row& row, const Call& call);
// Bytes behind args[index] by its rule, after the call; 0 for none. Never more than the rule's
// limit.
uint64_t SizeOf(const SizeRule& rule, const Call& call, int index);
// As above, but how much the program offers (a size argument where the rule is about the result).
uint64_t InputSizeOf(const Arg& arg, const Call& call, int index);

}  // namespace retake

#endif  // RETAKE_SYSCALLS_ROW_H_
