#include "cli/event_text.h"

#include <fmt/format.h>
#include <signal.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "cli/describe.h"

namespace retake {
namespace {

constexpr std::array<std::string_view, 4> kEchoNames = {"", "stdout", "stderr", "terminal"};
constexpr std::array<std::string_view, 4> kSharingNames = {"", "process", "vfork", "thread"};

constexpr std::array<std::string_view, static_cast<size_t>(MapOp::Kind::kLast) + 1> kMapOpNames = {
    "",        "map-anonymous", "map-blob", "map-shared", "unmap",
    "protect", "remap",         "advise",   "raw-call",   "discard"};

struct CodeName {
  int signal;  // 0: any
  int code;
  std::string_view name;
};

// si_code of sigaction(2), as far as programs meet them.
constexpr CodeName kCodeNames[] = {
    {0, SI_USER, "SI_USER"},
    {0, SI_KERNEL, "SI_KERNEL"},
    {0, SI_QUEUE, "SI_QUEUE"},
    {0, SI_TIMER, "SI_TIMER"},
    {0, SI_MESGQ, "SI_MESGQ"},
    {0, SI_ASYNCIO, "SI_ASYNCIO"},
    {0, SI_SIGIO, "SI_SIGIO"},
    {0, SI_TKILL, "SI_TKILL"},
    {SIGCHLD, CLD_EXITED, "CLD_EXITED"},
    {SIGCHLD, CLD_KILLED, "CLD_KILLED"},
    {SIGCHLD, CLD_DUMPED, "CLD_DUMPED"},
    {SIGCHLD, CLD_TRAPPED, "CLD_TRAPPED"},
    {SIGCHLD, CLD_STOPPED, "CLD_STOPPED"},
    {SIGCHLD, CLD_CONTINUED, "CLD_CONTINUED"},
    {SIGSEGV, SEGV_MAPERR, "SEGV_MAPERR"},
    {SIGSEGV, SEGV_ACCERR, "SEGV_ACCERR"},
    {SIGBUS, BUS_ADRALN, "BUS_ADRALN"},
    {SIGBUS, BUS_ADRERR, "BUS_ADRERR"},
    {SIGFPE, FPE_INTDIV, "FPE_INTDIV"},
    {SIGFPE, FPE_INTOVF, "FPE_INTOVF"},
    {SIGILL, ILL_ILLOPN, "ILL_ILLOPN"},
    {SIGTRAP, TRAP_BRKPT, "TRAP_BRKPT"},
    {SIGTRAP, TRAP_TRACE, "TRAP_TRACE"},
};

std::string SignalCodeName(int signal, int code) {
  for (const CodeName& row : kCodeNames) {
    if (row.code == code && (row.signal == 0 || row.signal == signal)) return std::string(row.name);
  }
  return fmt::to_string(code);
}

// " {si_signo=SIGCHLD, ...}" from the siginfo that the kernel put into the signal frame, whose
// address is the handler's second argument; empty if there is no handler and so no frame. siginfo_t
// has one layout on all of Linux's 64-bit architectures (include/uapi/asm-generic/siginfo.h).
std::string SignalInfoText(const Event& event, const ArchDescription& arch) {
  siginfo_t info;
  if (!EventMemory(event).ReadValue(event.after.words[arch.args[1]], &info)) return "";
  if (info.si_signo != event.signal) return "";
  std::string text = fmt::format(" {{si_signo={}, si_code={}", SignalName(info.si_signo),
                                 SignalCodeName(info.si_signo, info.si_code));
  if (info.si_signo == SIGCHLD && info.si_code > 0) {
    std::string status =
        info.si_code == CLD_EXITED ? fmt::to_string(info.si_status) : SignalName(info.si_status);
    text += fmt::format(", si_pid={}, si_uid={}, si_status={}", info.si_pid, info.si_uid, status);
  } else if (info.si_code == SI_USER || info.si_code == SI_TKILL || info.si_code == SI_QUEUE) {
    text += fmt::format(", si_pid={}, si_uid={}", info.si_pid, info.si_uid);
  } else if (info.si_code == SI_TIMER) {
    text += fmt::format(", si_timerid={}, si_overrun={}", info.si_timerid, info.si_overrun);
  } else if (info.si_code > 0) {
    text += fmt::format(", si_addr={:#x}", reinterpret_cast<uintptr_t>(info.si_addr));
  }
  return text + "}";
}

// " name=value" of every register that the event changed, but for the instruction pointer.
std::string ChangedRegisters(const Event& event, const ArchDescription& arch) {
  std::string text;
  for (size_t i = 0; i < arch.registers.size(); ++i) {
    const RegisterInfo& info = arch.registers[i];
    if (info.role == RegisterRole::kPc || info.role == RegisterRole::kIgnored) continue;
    if (event.before.words[i] == event.after.words[i]) continue;
    text += fmt::format(" {}={:#x}", info.name, event.after.words[i]);
  }
  return text;
}

std::string GoneText(int wait_status) {
  if (WIFEXITED(wait_status))
    return fmt::format("+++ exited with {} +++", WEXITSTATUS(wait_status));
  if (!WIFSIGNALED(wait_status)) return fmt::format("+++ wait status {:#x} +++", wait_status);
  return fmt::format("+++ killed by {}{} +++", SignalName(WTERMSIG(wait_status)),
                     WCOREDUMP(wait_status) ? " (core dumped)" : "");
}

// Paths and arguments may hold anything; a terminal must not be told what they say.
std::string Printable(std::string_view text) {
  std::string safe;
  for (char c : text) {
    auto byte = static_cast<unsigned char>(c);
    if (byte < ' ' || byte >= 0x7f) {
      safe += fmt::format("\\{:03o}", byte);
    } else {
      safe += c;
    }
  }
  return safe;
}

size_t CopyFrom(const Event& event, const std::vector<MemoryWrite>& pieces, uint64_t address,
                uint8_t* buffer, size_t size) {
  // The last write to an address is the one that stands.
  auto piece = std::find_if(pieces.rbegin(), pieces.rend(), [address](const MemoryWrite& write) {
    return address >= write.address && address - write.address < write.size;
  });
  if (piece == pieces.rend()) return 0;
  uint64_t skip = address - piece->address;
  size_t count = std::min<uint64_t>(size, piece->size - skip);
  memcpy(buffer, event.BytesOf(*piece).data() + skip, count);
  return count;
}

nlohmann::ordered_json HexJson(uint64_t value) { return fmt::format("{:#x}", value); }

}  // namespace

size_t EventMemory::ReadSome(uint64_t address, void* buffer, size_t size) const {
  auto* out = static_cast<uint8_t*>(buffer);
  size_t done = 0;
  while (done < size) {
    // A piece stands only as far as no other begins.
    uint64_t at = address + done;
    uint64_t limit = size - done;
    for (const auto* pieces : {&event_.writes, &event_.previews}) {
      for (const MemoryWrite& piece : *pieces) {
        if (piece.address > at) limit = std::min(limit, piece.address - at);
      }
    }
    size_t got = CopyFrom(event_, event_.writes, at, out + done, limit);
    if (got == 0) got = CopyFrom(event_, event_.previews, at, out + done, limit);
    if (got == 0) break;
    done += got;
  }
  return done;
}

int EventDescriber::PidOf(TaskId task) const {
  auto found = pids_.find(task);
  return found == pids_.end() ? 0 : found->second;
}

void EventDescriber::Learn(const Event& event) {
  if (event.kind == EventKind::kExec && event.pid != 0) pids_[event.task] = event.pid;
  if (event.kind == EventKind::kTaskNew) pids_[event.new_task] = event.pid;
  if (event.kind == EventKind::kTaskGone) entered_.erase(event.task);
  if (event.kind == EventKind::kEntered) {
    entered_[event.task] = {.registers = event.before, .previews = event};
  }
}

Call EventDescriber::CallOf(const Event& event, const Registers& entry,
                            const ReadableMemory& memory) const {
  const ArchDescription& arch = trace_.arch();
  Call call{.arch = &arch, .sys = Sys::kNone, .number = 0, .args = {}, .memory = &memory};
  // The upper half of the number is not looked at by the kernel.
  call.number = static_cast<int32_t>(entry.words[arch.syscall]);
  call.sys = arch.SysOf(call.number);
  for (size_t i = 0; i < call.args.size(); ++i) call.args[i] = entry.words[arch.args[i]];
  call.result = static_cast<int64_t>(event.after.words[arch.result]);
  return call;
}

std::string EventDescriber::CallText(const Event& event) {
  EventMemory memory(event);
  if (event.kind == EventKind::kEntered) {
    Call call = CallOf(event, event.before, memory);
    TaskEffect effect = call.sys == Sys::kNone ? TaskEffect::kNone : TaskEffectOf(RowOf(call.sys));
    bool returns = effect != TaskEffect::kExits && effect != TaskEffect::kExitsGroup;
    return FormatCallEntry(call) + (returns ? " <unfinished ...>" : " = ?");
  }
  if (event.kind == EventKind::kSyscall) return FormatCall(CallOf(event, event.before, memory));

  auto found = entered_.find(event.task);
  if (found == entered_.end()) {
    return "<... resumed> " + FormatCall(CallOf(event, event.before, memory));
  }
  // The completion wrote the outputs; the inputs were kept at the entry.
  Event whole = event;
  for (const MemoryPreview& preview : found->second.previews.previews) {
    std::span<uint8_t> room = whole.AddPreview(preview.address, preview.size);
    std::ranges::copy(found->second.previews.BytesOf(preview), room.begin());
  }
  EventMemory both(whole);
  std::string text = "<... resumed> " + FormatCall(CallOf(event, found->second.registers, both));
  entered_.erase(found);
  return text;
}

std::string EventDescriber::ExecText(const Event& event) {
  Result<Image> image = trace_.ReadImage(event.image);
  if (!image.ok()) return fmt::format("=== exec: {} ===", image.error().Message());
  uint64_t pages = 0;
  for (const ImagePages& piece : image->pages) pages += piece.size;
  return fmt::format(
      "=== exec {} {} ({} mappings, {} of contents) ===", Printable(image->executable),
      Printable(DescribeCommand(image->arguments)), image->mappings.size(), DescribeSize(pages));
}

std::string EventDescriber::Body(const Event& event) {
  const ArchDescription& arch = trace_.arch();
  switch (event.kind) {
    case EventKind::kExec:
      return ExecText(event);
    case EventKind::kSyscall:
    case EventKind::kEntered:
    case EventKind::kCompleted:
      return CallText(event);
    case EventKind::kSignal:
    case EventKind::kFault:
      return fmt::format("--- {}{}{} ---", SignalName(event.signal), SignalInfoText(event, arch),
                         event.kind == EventKind::kFault
                             ? fmt::format(" at {:#x}", event.before.words[arch.pc])
                             : "");
    case EventKind::kRegistersChanged:
      return "=== registers:" + ChangedRegisters(event, arch) + " ===";
    case EventKind::kTimestamp:
      return "=== time-stamp counter:" + ChangedRegisters(event, arch) + " ===";
    case EventKind::kCpuid:
      return "=== cpuid:" + ChangedRegisters(event, arch) + " ===";
    case EventKind::kPreemption:
      return fmt::format("=== preempted at {:#x} ===", event.before.words[arch.pc]);
    case EventKind::kTaskNew:
      return fmt::format("=== new {} {} ===",
                         kSharingNames[static_cast<size_t>(event.sharing) % kSharingNames.size()],
                         event.pid);
    case EventKind::kTaskGone:
      return GoneText(event.wait_status);
    case EventKind::kMemoryChanged: {
      uint64_t bytes = 0;
      for (const MemoryWrite& write : event.writes) bytes += write.size;
      return fmt::format("=== memory changed from elsewhere: {} bytes in {} places ===", bytes,
                         event.writes.size());
    }
    case EventKind::kFirstRun:
      return fmt::format(
          "=== code made at run time is executed at {:#x}{} ===", event.before.words[arch.pc],
          event.writes.empty()
              ? ""
              : fmt::format(", {} instructions made to trap", event.writes.size()));
    case EventKind::kFirstRunEnd:
      return fmt::format("=== ... and left for {:#x} ===", event.before.words[arch.pc]);
  }
  return fmt::format("=== event of kind {} ===", static_cast<int>(event.kind));
}

std::string EventDescriber::Text(const Event& event) {
  Learn(event);
  int pid = PidOf(event.task);
  // A task whose pid the trace doesn't tell goes by its number in the trace.
  std::string who = pid != 0 ? fmt::to_string(pid) : fmt::format("task {}", event.task);
  return fmt::format("[{}] {}", who, Body(event));
}

nlohmann::ordered_json EventDescriber::Json(const Event& event) {
  const ArchDescription& arch = trace_.arch();
  Learn(event);
  nlohmann::ordered_json json;
  json["sequence"] = event.sequence;
  json["task"] = event.task;
  json["pid"] = PidOf(event.task);
  json["kind"] = EventKindName(event.kind);
  json["pc"] = HexJson(event.before.words[arch.pc]);
  bool is_call = event.kind == EventKind::kSyscall || event.kind == EventKind::kEntered ||
                 event.kind == EventKind::kCompleted;
  if (is_call) {
    auto found = entered_.find(event.task);
    bool completes = event.kind == EventKind::kCompleted && found != entered_.end();
    EventMemory memory(event);
    Call call = CallOf(event, completes ? found->second.registers : event.before, memory);
    json["call"] = call.sys == Sys::kNone ? "" : SysName(call.sys);
    json["number"] = call.number;
    for (uint64_t argument : call.args) json["arguments"].push_back(HexJson(argument));
    if (event.kind != EventKind::kEntered) json["result"] = call.result;
  }
  json["text"] = Body(event);
  if (event.signal != 0) json["signal"] = SignalName(event.signal);
  if (event.kind == EventKind::kTaskNew) {
    json["new_task"] = event.new_task;
    json["new_pid"] = event.pid;
    json["sharing"] = kSharingNames[static_cast<size_t>(event.sharing) % kSharingNames.size()];
  }
  if (event.kind == EventKind::kTaskGone) json["wait_status"] = event.wait_status;
  if (event.kind == EventKind::kExec) json["image"] = event.image;
  for (const MemoryWrite& write : event.writes) {
    json["writes"].push_back({{"address", HexJson(write.address)}, {"size", write.size}});
  }
  for (const MapOp& op : event.map_ops) {
    json["maps"].push_back({{"op", kMapOpNames[static_cast<size_t>(op.kind) % kMapOpNames.size()]},
                            {"address", HexJson(op.address)},
                            {"size", op.size},
                            {"prot", op.prot},
                            {"flags", op.flags}});
  }
  if (event.echo != EchoTarget::kNone) {
    json["echo"] = kEchoNames[static_cast<size_t>(event.echo) % kEchoNames.size()];
  }
  if (event.memory_hash != 0) json["memory_hash"] = HexJson(event.memory_hash);
  return json;
}

}  // namespace retake
