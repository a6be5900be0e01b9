// Decoders of what tasks, signals and the system are asked and say.
#include <signal.h>
#include <sys/wait.h>

#include "syscalls/decode.h"

namespace retake {
namespace {

bool Sigset(const Context& c, std::string& out) {
  uint64_t mask;
  if (!c.Read(c.value, &mask)) return false;
  PrintSigset(out, mask);
  return true;
}
bool SelectSigmask(const Context& c, std::string& out) {
  uint64_t words[2];  // address of the set, its size
  if (!c.Read(c.value, &words)) return false;
  out += "{sigmask=";
  uint64_t mask;
  if (words[0] != 0 && c.Read(words[0], &mask)) {
    PrintSigset(out, mask);
  } else {
    PrintAddress(out, words[0]);
  }
  Print(out, ", sigsetsize={}}}", words[1]);
  return true;
}

bool Sigaction(const Context& c, std::string& out) {
  const AbiLayout& abi = c.arch().abi;
  constexpr uint64_t kSiginfo = 4, kRestorer = 0x04000000;
  uint64_t handler, flags, mask;
  if (!c.Read(c.value, &handler) || !c.Read(c.value + abi.ksigaction_flags_offset, &flags) ||
      !c.Read(c.value + abi.ksigaction_mask_offset, &mask)) {
    return false;
  }
  out += (flags & kSiginfo) != 0 ? "{sa_sigaction=" : "{sa_handler=";
  if (handler == 0) {
    out += "SIG_DFL";
  } else if (handler == 1) {
    out += "SIG_IGN";
  } else {
    PrintAddress(out, handler);
  }
  out += ", sa_mask=";
  PrintSigset(out, mask);
  out += ", sa_flags=";
  AppendFlags(out, Set::kSaFlags, flags, c.arch());
  uint64_t restorer;
  if (abi.has_sa_restorer && (flags & kRestorer) != 0 &&
      c.Read(c.value + abi.ksigaction_flags_offset + 8, &restorer)) {
    Print(out, ", sa_restorer={:#x}", restorer);
  }
  out += '}';
  return true;
}

bool Siginfo(const Context& c, std::string& out) {
  struct {
    int32_t signal, error, code, padding;
    int32_t pid, uid, status, padding2;
    int64_t utime, stime;
  } info;
  if (!c.Read(c.value, &info)) return false;
  if (info.signal == 0) {
    out += "{}";
    return true;
  }
  out += "{si_signo=";
  PrintSignal(out, static_cast<uint32_t>(info.signal));
  out += ", si_code=";
  bool child = info.signal == SIGCHLD && info.code > 0;
  AppendEnum(out, child ? Set::kChildCode : Set::kSiCode, static_cast<uint32_t>(info.code));
  if (child || info.code <= 0) {
    Print(out, ", si_pid={}, si_uid={}", info.pid, static_cast<uint32_t>(info.uid));
  }
  if (child) {
    out += ", si_status=";
    if (info.code == 1) {  // CLD_EXITED
      Print(out, "{}", info.status);
    } else {
      PrintSignal(out, static_cast<uint32_t>(info.status));
    }
    out += ", si_utime=";
    PrintTicks(out, info.utime);
    out += ", si_stime=";
    PrintTicks(out, info.stime);
  }
  out += '}';
  return true;
}

bool Sigevent(const Context& c, std::string& out) {
  struct {
    uint64_t value;
    uint32_t signal, notify;
    int32_t tid;
  } event;
  if (!c.Read(c.value, &event)) return false;
  out += '{';
  if (event.value != 0) {
    Print(out, "sigev_value={{sival_int={}, sival_ptr={:#x}}}, ", static_cast<int32_t>(event.value),
          event.value);
  }
  out += "sigev_signo=";
  PrintSignal(out, event.signal);
  out += ", sigev_notify=";
  AppendEnum(out, Set::kSigevNotify, event.notify);
  if (event.notify == 4) Print(out, ", sigev_notify_thread_id={}", event.tid);
  out += '}';
  return true;
}

bool Stack(const Context& c, std::string& out) {
  struct {
    uint64_t sp;
    uint32_t flags, padding;
    uint64_t size;
  } stack;
  if (!c.Read(c.value, &stack)) return false;
  out += "{ss_sp=";
  PrintAddress(out, stack.sp);
  out += ", ss_flags=";
  AppendFlags(out, Set::kSsFlags, stack.flags, c.arch());
  Print(out, ", ss_size={}}}", stack.size);
  return true;
}

bool WaitStatus(const Context& c, std::string& out) {
  uint32_t word;
  if (c.call.result <= 0 || !c.Read(c.value, &word)) return false;
  int status = static_cast<int>(word);
  out += '[';
  if (WIFEXITED(status)) {
    Print(out, "{{WIFEXITED(s) && WEXITSTATUS(s) == {}}}", WEXITSTATUS(status));
  } else if (WIFSIGNALED(status)) {
    out += "{WIFSIGNALED(s) && WTERMSIG(s) == ";
    PrintSignal(out, static_cast<uint32_t>(WTERMSIG(status)));
    if (WCOREDUMP(status)) out += " && WCOREDUMP(s)";
    out += '}';
  } else if (WIFSTOPPED(status)) {
    out += "{WIFSTOPPED(s) && WSTOPSIG(s) == ";
    PrintSignal(out, static_cast<uint32_t>(WSTOPSIG(status)));
    out += '}';
  } else if (WIFCONTINUED(status)) {
    out += "{WIFCONTINUED(s)}";
  } else {
    PrintHex(out, word);
  }
  out += ']';
  return true;
}

bool Rusage(const Context& c, std::string& out) {
  int64_t times[4];
  if (!c.Read(c.value, &times)) return false;
  out += "{ru_utime=";
  PrintTimeval(out, times[0], times[1]);
  out += ", ru_stime=";
  PrintTimeval(out, times[2], times[3]);
  out += ", ...}";
  return true;
}

bool Rlimit(const Context& c, std::string& out) {
  uint64_t limits[2];
  if (!c.Read(c.value, &limits)) return false;
  for (int i = 0; i < 2; ++i) {
    out += i == 0 ? "{rlim_cur=" : ", rlim_max=";
    if (limits[i] == ~uint64_t{0}) {
      out += "RLIM64_INFINITY";
    } else if (limits[i] > 1024 && limits[i] % 1024 == 0) {
      Print(out, "{}*1024", limits[i] / 1024);
    } else {
      Print(out, "{}", limits[i]);
    }
  }
  out += '}';
  return true;
}

template <typename T>
bool Word(const Context& c, std::string& out) {
  T word;
  if (!c.Read(c.value, &word)) return false;
  Print(out, "[{}]", word);
  return true;
}
bool PointerWord(const Context& c, std::string& out) {
  uint64_t word;
  if (!c.Read(c.value, &word)) return false;
  out += '[';
  PrintAddress(out, word);
  out += ']';
  return true;
}
bool Ids(const Context& c, std::string& out) {
  if (c.returned && c.arg.IsOutput() && c.call.args[0] == 0) return false;
  return PrintList(out, c.Size() / 4, [&](uint64_t i, std::string& text) {
    uint32_t id;
    if (!c.Read(c.value + i * sizeof id, &id)) return false;
    Print(text, "{}", id);
    return true;
  });
}

bool Utsname(const Context& c, std::string& out) {
  constexpr uint64_t kField = 65;  // six of them
  std::string fields;
  constexpr std::string_view kNames[] = {"sysname", "nodename"};
  for (uint64_t i = 0; i < 2; ++i) {
    Print(fields, "{}=", kNames[i]);
    if (!PrintString(c, c.value + i * kField, kField, fields)) return false;
    fields += ", ";
  }
  Print(out, "{{{}...}}", fields);
  return true;
}

bool Sysinfo(const Context& c, std::string& out) {
  struct {
    int64_t uptime;
    uint64_t loads[3];
    uint64_t total, free, shared, buffers, swap, swap_free;
    uint16_t processes, padding;
    uint64_t high, high_free;
    uint32_t unit;
  } info;
  if (!c.Read(c.value, &info)) return false;
  Print(out,
        "{{uptime={}, loads=[{}, {}, {}], totalram={}, freeram={}, sharedram={}, bufferram={}, "
        "totalswap={}, freeswap={}, procs={}, totalhigh={}, freehigh={}, mem_unit={}}}",
        info.uptime, info.loads[0], info.loads[1], info.loads[2], info.total, info.free,
        info.shared, info.buffers, info.swap, info.swap_free, info.processes, info.high,
        info.high_free, info.unit);
  return true;
}

bool CloneArgs(const Context& c, std::string& out) {
  struct {
    uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls;
  } args;
  if (!c.Read(c.value, &args)) return false;
  out += "{flags=";
  AppendFlags(out, Set::kClone, args.flags, c.arch());
  struct Field {
    uint64_t flag;
    std::string_view name;
    uint64_t value;
  };
  const Field fields[] = {{0x1000, "pidfd", args.pidfd},
                          {0x01200000, "child_tid", args.child_tid},
                          {0x00100000, "parent_tid", args.parent_tid}};
  for (const Field& field : fields) {
    if ((args.flags & field.flag) == 0) continue;
    Print(out, ", {}=", field.name);
    PrintAddress(out, field.value);
  }
  out += ", exit_signal=";
  PrintSignal(out, args.exit_signal);
  out += ", stack=";
  PrintAddress(out, args.stack);
  out += ", stack_size=";
  PrintHex(out, args.stack_size);
  if ((args.flags & 0x00080000) != 0) Print(out, ", tls={:#x}", args.tls);
  out += '}';
  return true;
}

bool CpuSet(const Context& c, std::string& out) { return PrintBits(c, c.Size() * 8, out); }

bool CapHeader(const Context& c, std::string& out) {
  uint32_t words[2];
  if (!c.Read(c.value, &words)) return false;
  struct Version {
    uint32_t value;
    int number;
  };
  constexpr Version kVersions[] = {{0x19980330, 1}, {0x20071026, 2}, {0x20080522, 3}};
  out += "{version=";
  bool known = false;
  for (const Version& version : kVersions) {
    if (version.value != words[0]) continue;
    Print(out, "_LINUX_CAPABILITY_VERSION_{}", version.number);
    known = true;
  }
  if (!known) PrintHex(out, words[0]);
  Print(out, ", pid={}}}", static_cast<int32_t>(words[1]));
  return true;
}
bool CapData(const Context& c, std::string& out) {
  uint32_t words[6];  // effective, permitted, inheritable; then their high halves
  if (!c.Read(c.value, &words)) return false;
  constexpr std::string_view kNames[] = {"effective", "permitted", "inheritable"};
  for (int i = 0; i < 3; ++i) {
    Print(out, "{}{}=", i > 0 ? ", " : "{", kNames[i]);
    PrintHex(out, words[i] | uint64_t{words[i + 3]} << 32);
  }
  out += '}';
  return true;
}
bool SchedAttr(const Context& c, std::string& out) {
  struct {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime, deadline, period;
  } attr;
  if (!c.Read(c.value, &attr)) return false;
  Print(out, "{{size={}, sched_policy=", attr.size);
  AppendEnum(out, Set::kSchedPolicy, attr.policy);
  out += ", sched_flags=";
  PrintHex(out, attr.flags);
  Print(out,
        ", sched_nice={}, sched_priority={}, sched_runtime={}, sched_deadline={}, "
        "sched_period={}, ...}}",
        attr.nice, attr.priority, attr.runtime, attr.deadline, attr.period);
  return true;
}
bool FutexWaitv(const Context& c, std::string& out) {
  return PrintList(out, c.Size() / 24, [&](uint64_t i, std::string& text) {
    struct {
      uint64_t value, address;
      uint32_t flags, reserved;
    } waiter;
    if (!c.Read(c.value + i * sizeof waiter, &waiter)) return false;
    text += "{val=";
    PrintHex(text, waiter.value);
    text += ", uaddr=";
    PrintAddress(text, waiter.address);
    text += ", flags=";
    AppendFlags(text, Set::kFutexFlags, waiter.flags, c.arch());
    text += '}';
    return true;
  });
}

constexpr DecoderRow kDecoders[] = {
    {Type::kSigset, Sigset},           {Type::kSelectSigmask, SelectSigmask},
    {Type::kSigaction, Sigaction},     {Type::kSiginfo, Siginfo},
    {Type::kSigevent, Sigevent},       {Type::kStack, Stack},
    {Type::kWaitStatus, WaitStatus},   {Type::kRusage, Rusage},
    {Type::kRlimit, Rlimit},           {Type::kIntWord, Word<int32_t>},
    {Type::kUintWord, Word<uint32_t>}, {Type::kLongWord, Word<int64_t>},
    {Type::kIdWord, Word<uint32_t>},   {Type::kSchedParam, Word<int32_t>},
    {Type::kPointerWord, PointerWord}, {Type::kIds, Ids},
    {Type::kUtsname, Utsname},         {Type::kSysinfo, Sysinfo},
    {Type::kCloneArgs, CloneArgs},     {Type::kCpuSet, CpuSet},
    {Type::kCapHeader, CapHeader},     {Type::kCapData, CapData},
    {Type::kSchedAttr, SchedAttr},     {Type::kFutexWaitv, FutexWaitv},
};

}  // namespace

std::span<const DecoderRow> TaskDecoders() { return kDecoders; }

}  // namespace retake
