// Decoders of values that are in the argument itself.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "syscalls/decode.h"

namespace retake {
namespace {

constexpr std::string_view kSignals[] = {
    "",     "HUP",  "INT",  "QUIT", "ILL",    "TRAP",   "ABRT",  "BUS",  "FPE",  "KILL", "USR1",
    "SEGV", "USR2", "PIPE", "ALRM", "TERM",   "STKFLT", "CHLD",  "CONT", "STOP", "TSTP", "TTIN",
    "TTOU", "URG",  "XCPU", "XFSZ", "VTALRM", "PROF",   "WINCH", "IO",   "PWR",  "SYS"};
constexpr uint64_t kRealtime = 32;  // the kernel's SIGRTMIN
constexpr uint64_t kLastSignal = 64;

constexpr uint64_t kFutexPrivate = 128;
constexpr uint64_t kFutexClockRealtime = 256;
constexpr uint64_t kCloneSignal = 0xff;  // CSIGNAL
constexpr uint64_t kCloneChildSettid = 0x01000000, kCloneChildCleartid = 0x00200000;
constexpr uint64_t kResetOnFork = 0x40000000;  // SCHED_RESET_ON_FORK

// Numbers are shown as the kernel reads them: an int argument is the low half of its register.
int32_t Low(uint64_t value) { return static_cast<int32_t>(value); }

bool Int(const Context& c, std::string& out) {
  Print(out, "{}", Low(c.value));
  return true;
}
bool Uint(const Context& c, std::string& out) {
  Print(out, "{}", static_cast<uint32_t>(c.value));
  return true;
}
bool Long(const Context& c, std::string& out) {
  Print(out, "{}", static_cast<int64_t>(c.value));
  return true;
}
bool Ulong(const Context& c, std::string& out) {
  Print(out, "{}", c.value);
  return true;
}
bool Hex(const Context& c, std::string& out) {
  PrintHex(out, c.value);
  return true;
}
bool Address(const Context& c, std::string& out) {
  PrintAddress(out, c.value);
  return true;
}
bool Mode(const Context& c, std::string& out) {
  PrintMode(out, static_cast<uint32_t>(c.value));
  return true;
}
bool FileMode(const Context& c, std::string& out) {
  PrintFileMode(out, static_cast<uint32_t>(c.value));
  return true;
}
bool Dev(const Context& c, std::string& out) {
  Print(out, "makedev({:#x}, {:#x})", major(c.value), minor(c.value));
  return true;
}
bool Signal(const Context& c, std::string& out) {
  PrintSignal(out, static_cast<uint32_t>(c.value));
  return true;
}
bool DirFd(const Context& c, std::string& out) {
  if (Low(c.value) == AT_FDCWD) {
    out += "AT_FDCWD";
    return true;
  }
  return Int(c, out);
}
bool Flags(const Context& c, std::string& out) {
  // Flag words of the kernel's are 32 bits wide unless their table has a wider one; a register's
  // high half may hold anything.
  bool wide = c.arg.set == Set::kClone;
  AppendFlags(out, c.arg.set, wide ? c.value : static_cast<uint32_t>(c.value), c.arch());
  return true;
}
bool Enum(const Context& c, std::string& out) {
  AppendEnum(out, c.arg.set, static_cast<uint32_t>(c.value));
  return true;
}
bool Selector(const Context& c, std::string& out) {
  const SubRow* request = RequestOf(c.row, c.call);
  if (request != nullptr) {
    out += request->name;
    // The size of the program's buffer is part of such a request.
    if (request->mask != 0xffffffff) Print(out, "({})", c.value >> 16 & 0x3fff);
  } else {
    auto value = static_cast<uint32_t>(c.value);
    if (c.call.sys == Sys::ioctl) {
      // include/uapi/asm-generic/ioctl.h: direction, size, type, number.
      constexpr std::string_view kDirections[] = {"_IOC_NONE", "_IOC_WRITE", "_IOC_READ",
                                                  "_IOC_READ|_IOC_WRITE"};
      Print(out, "_IOC({}, {:#x}, {:#x}, {:#x})", kDirections[value >> 30], value >> 8 & 0xff,
            value & 0xff, value >> 16 & 0x3fff);
    } else {
      PrintHex(out, value);
    }
  }
  return true;
}
bool FutexOp(const Context& c, std::string& out) {
  const SubRow* request = RequestOf(c.row, c.call);
  if (request == nullptr) return Hex(c, out);
  out += request->name;
  if ((c.value & kFutexPrivate) != 0) out += "_PRIVATE";
  if ((c.value & kFutexClockRealtime) != 0) out += "|FUTEX_CLOCK_REALTIME";
  return true;
}

// clone's arguments are shown by name and only as far as its flags make use of them, so the first
// decoder shows them all and the others (hidden) nothing.
bool CloneFlags(const Context& c, std::string& out) {
  const auto& args = c.call.args;
  uint64_t flags = static_cast<uint32_t>(args[0]);
  int child_tid = c.arch().abi.clone_child_tid_arg;
  int tls = child_tid == 3 ? 4 : 3;
  out += "child_stack=";
  PrintAddress(out, args[1]);
  out += ", flags=";
  if ((flags & ~kCloneSignal) != 0) AppendFlags(out, Set::kClone, flags & ~kCloneSignal, c.arch());
  if ((flags & kCloneSignal) != 0) {
    if ((flags & ~kCloneSignal) != 0) out += '|';
    PrintSignal(out, flags & kCloneSignal);
  }
  if (flags == 0) out += '0';
  if ((flags & 0x00100000) != 0 || (flags & 0x1000) != 0) {
    out += ", parent_tid=";
    uint32_t tid;
    if (c.returned && c.call.result > 0 && c.Read(args[2], &tid)) {
      Print(out, "[{}]", tid);
    } else {
      PrintAddress(out, args[2]);
    }
  }
  if ((flags & 0x00080000) != 0) Print(out, ", tls={:#x}", args[tls]);
  if ((flags & (kCloneChildSettid | kCloneChildCleartid)) != 0) {
    out += ", child_tidptr=";
    PrintAddress(out, args[child_tid]);
  }
  return true;
}

bool SocketType(const Context& c, std::string& out) {
  AppendFlags(out, Set::kSocketType, static_cast<uint32_t>(c.value), c.arch());
  return true;
}
bool SocketProtocol(const Context& c, std::string& out) {
  constexpr uint64_t kInet = 2, kInet6 = 10, kNetlink = 16;
  uint64_t family = c.call.args[0];
  if (family == kInet || family == kInet6) {
    AppendEnum(out, Set::kIpProtocol, static_cast<uint32_t>(c.value));
  } else if (family == kNetlink) {
    AppendEnum(out, Set::kNetlinkProtocol, static_cast<uint32_t>(c.value));
  } else {
    return Int(c, out);
  }
  return true;
}
bool SocketOption(const Context& c, std::string& out) {
  struct Level {
    uint64_t level;
    Set set;
  };
  constexpr Level kLevels[] = {
      {1, Set::kSocketOption}, {6, Set::kTcpOption}, {0, Set::kIpOption}, {41, Set::kIpv6Option}};
  for (const Level& level : kLevels) {
    if (level.level != static_cast<uint32_t>(c.call.args[1])) continue;
    AppendEnum(out, level.set, static_cast<uint32_t>(c.value));
    return true;
  }
  return Int(c, out);
}
bool SchedPolicy(const Context& c, std::string& out) {
  AppendEnum(out, Set::kSchedPolicy, static_cast<uint32_t>(c.value) & ~kResetOnFork);
  if ((c.value & kResetOnFork) != 0) out += "|SCHED_RESET_ON_FORK";
  return true;
}

constexpr DecoderRow kDecoders[] = {
    {Type::kInt, Int},
    {Type::kUint, Uint},
    {Type::kLong, Long},
    {Type::kUlong, Ulong},
    {Type::kHex, Hex},
    {Type::kAddress, Address},
    {Type::kMode, Mode},
    {Type::kFileMode, FileMode},
    {Type::kDev, Dev},
    {Type::kSignal, Signal},
    {Type::kFd, Int},
    {Type::kDirFd, DirFd},
    {Type::kFlags, Flags},
    {Type::kEnum, Enum},
    {Type::kSelector, Selector},
    {Type::kFutexOp, FutexOp},
    {Type::kCloneFlags, CloneFlags},
    {Type::kSocketType, SocketType},
    {Type::kSocketProtocol, SocketProtocol},
    {Type::kSocketOption, SocketOption},
    {Type::kSchedPolicy, SchedPolicy},
};

}  // namespace

std::span<const DecoderRow> ScalarDecoders() { return kDecoders; }

void PrintAddress(std::string& out, uint64_t address) {
  if (address == 0) {
    out += "NULL";
  } else {
    Print(out, "{:#x}", address);
  }
}

void PrintHex(std::string& out, uint64_t value) {
  if (value == 0) {
    out += '0';
  } else {
    Print(out, "{:#x}", value);
  }
}

void PrintMode(std::string& out, uint64_t mode) { Print(out, "{:#03o}", mode); }

void PrintFileMode(std::string& out, uint32_t mode) {
  struct Kind {
    uint32_t bits;
    std::string_view name;
  };
  constexpr Kind kKinds[] = {{S_IFREG, "S_IFREG"},  {S_IFDIR, "S_IFDIR"}, {S_IFLNK, "S_IFLNK"},
                             {S_IFCHR, "S_IFCHR"},  {S_IFBLK, "S_IFBLK"}, {S_IFIFO, "S_IFIFO"},
                             {S_IFSOCK, "S_IFSOCK"}};
  for (const Kind& kind : kKinds) {
    if ((mode & S_IFMT) == kind.bits) Print(out, "{}|", kind.name);
  }
  if ((mode & S_ISUID) != 0) out += "S_ISUID|";
  if ((mode & S_ISGID) != 0) out += "S_ISGID|";
  if ((mode & S_ISVTX) != 0) out += "S_ISVTX|";
  PrintMode(out, mode & 0777);
}

void PrintSignal(std::string& out, uint64_t signal) {
  if (signal > 0 && signal < kRealtime) {
    Print(out, "SIG{}", kSignals[signal]);
  } else if (signal == kRealtime) {
    out += "SIGRTMIN";
  } else if (signal > kRealtime && signal <= kLastSignal) {
    Print(out, "SIGRT_{}", signal - kRealtime);
  } else {
    Print(out, "{}", static_cast<int32_t>(signal));
  }
}

void PrintSigset(std::string& out, uint64_t mask) {
  // A set that is nearly full is shown by what it lacks.
  constexpr int kManySignals = 64 * 2 / 3;
  bool inverted = __builtin_popcountll(mask) >= kManySignals;
  if (inverted) mask = ~mask;
  out += inverted ? "~[" : "[";
  bool first = true;
  for (uint64_t signal = 1; signal <= kLastSignal; ++signal) {
    if ((mask >> (signal - 1) & 1) == 0) continue;
    if (!first) out += ' ';
    first = false;
    std::string name;
    PrintSignal(name, signal);
    out += std::string_view(name).substr(3);
  }
  out += ']';
}

}  // namespace retake
