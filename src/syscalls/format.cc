// FormatCall: a call as strace prints it.
//
// What is shown of an argument: a number by its type; what a pointer leads to, if the call has put
// it there or the program had, and it can be read; else the pointer itself. Memory is what the
// trace kept (InputPreviews, OutputRanges), so anything may be missing.
#include <cstring>

#include "syscalls/decode.h"

namespace retake {
namespace {

constexpr uint64_t kCreat = 0100, kTmpfile = 020000000;  // O_CREAT, __O_TMPFILE: a mode follows

struct Restart {
  int64_t result;
  std::string_view name, text;
};
// include/linux/errno.h: results that only a tracer sees.
constexpr Restart kRestarts[] = {
    {-512, "ERESTARTSYS", "To be restarted if SA_RESTART is set"},
    {-513, "ERESTARTNOINTR", "To be restarted"},
    {-514, "ERESTARTNOHAND", "To be restarted if no handler"},
    {-516, "ERESTART_RESTARTBLOCK", "Interrupted by signal"},
};

constexpr size_t kTypes = static_cast<size_t>(Type::kCount);

std::array<Decoder, kTypes> JoinDecoders() {
  std::array<Decoder, kTypes> decoders{};
  for (auto rows : {ScalarDecoders(), BufferDecoders(), FileDecoders(), TimeDecoders(),
                    TaskDecoders(), NetworkDecoders()}) {
    for (const DecoderRow& row : rows) decoders[static_cast<size_t>(row.type)] = row.decode;
  }
  return decoders;
}

bool IsError(int64_t result) { return result < 0 && result >= -4095; }

bool IsRestart(int64_t result) { return result <= -512 && result >= -516; }

bool IsPointer(const Arg& arg) {
  return arg.size.kind != Sized::kNone || arg.type == Type::kStrings ||
         arg.type == Type::kEnvironment;
}

// Has the call, or the program before it, put something behind this pointer?
bool HasContents(const Arg& arg, const Call& call, bool returned) {
  if (arg.direction == Direction::kOut) {
    if (!returned) return false;
    // What a sleep leaves is there only if it was interrupted.
    if (arg.when == When::kInterrupted) return call.result == -EINTR || IsRestart(call.result);
    return !IsError(call.result);
  }
  return true;
}

void PrintArgument(const Context& context, std::string& out) {
  if (IsPointer(context.arg)) {
    if (context.value == 0) {
      out += "NULL";
      return;
    }
    if (!HasContents(context.arg, context.call, context.returned)) {
      PrintAddress(out, context.value);
      return;
    }
  }
  Decoder decoder = DecoderOf(context.arg.type);
  std::string text;
  if (decoder != nullptr && decoder(context, text)) {
    out += text;
  } else {
    PrintAddress(out, context.value);
  }
}

// Arguments that the call doesn't read are not shown.
bool IsShown(const Call& call, const Arg& arg, int index, const Arguments& arguments) {
  if (arg.type == Type::kHidden) return false;
  if (call.sys == Sys::clone) return index == 0;
  if (arg.type == Type::kMode && index > 0) {
    const Arg& flags = *arguments.args[index - 1];
    if (flags.type == Type::kFlags && flags.set == Set::kOpen) {
      return (call.args[index - 1] & (kCreat | kTmpfile)) != 0;
    }
  }
  if (arg.type == Type::kMqAttr && call.sys == Sys::mq_open) return (call.args[1] & kCreat) != 0;
  if (arg.type == Type::kDev) {
    constexpr uint64_t kFormat = 0170000, kCharacter = 0020000, kBlock = 0060000;
    if (index == 0) return true;
    uint64_t format = call.args[index - 1] & kFormat;
    return format == kCharacter || format == kBlock;
  }
  if (call.sys == Sys::mremap && index == 4) return (call.args[3] & 6) != 0;  // FIXED, DONTUNMAP
  return true;
}

std::string CallText(const Call& call, bool returned) {
  const Row& row = RowOf(call.sys);
  if (call.sys == Sys::kNone) {
    std::string text = fmt::format("syscall_{:#x}(", static_cast<uint64_t>(call.number));
    for (int i = 0; i < 6; ++i) {
      if (i > 0) text += ", ";
      PrintHex(text, call.args[i]);
    }
    return text + ")";
  }
  Arguments arguments = ArgumentsOf(row, call);
  std::string text(SysName(call.sys));
  text += '(';
  bool first = true;
  for (int i = 0; i < arguments.count; ++i) {
    const Arg& arg = *arguments.args[i];
    if (!IsShown(call, arg, i, arguments)) continue;
    if (!first) text += ", ";
    first = false;
    PrintArgument({call, row, arg, i, call.args[i], returned}, text);
  }
  return text + ")";
}

void PrintResult(const Call& call, std::string& out) {
  for (const Restart& restart : kRestarts) {
    if (restart.result != call.result) continue;
    Print(out, "? {} ({})", restart.name, restart.text);
    return;
  }
  if (IsError(call.result)) {
    int error = static_cast<int>(-call.result);
    const char* name = strerrorname_np(error);
    if (name == nullptr) {
      Print(out, "-1 (errno {})", error);
    } else {
      Print(out, "-1 {} ({})", name, strerrordesc_np(error));
    }
    return;
  }
  const Row& row = RowOf(call.sys);
  const SubRow* request = RequestOf(row, call);
  auto value = static_cast<uint64_t>(call.result);
  switch (request != nullptr ? request->result : row.result) {
    case ResultType::kNumber:
    case ResultType::kFd:
      Print(out, "{}", call.result);
      return;
    case ResultType::kHex:
      PrintHex(out, value);
      return;
    case ResultType::kMode:
      PrintMode(out, value);
      return;
    case ResultType::kOpenFlags:
      PrintHex(out, value);
      out += " (flags ";
      AppendFlags(out, Set::kOpen, value, *call.arch);
      out += ')';
      return;
    case ResultType::kFdFlags:
      PrintHex(out, value);
      if (value == 0) return;
      out += " (flags ";
      AppendFlags(out, Set::kFdFlags, value, *call.arch);
      out += ')';
      return;
    case ResultType::kNothing:
      out += '?';
      return;
  }
}

// What poll found: "{fd=3, revents=POLLIN}".
void PrintReady(const Call& call, std::string& out) {
  constexpr uint64_t kMostFds = 4096;
  std::string ready;
  uint64_t shown = 0;
  for (uint64_t i = 0; i < std::min(call.args[1], kMostFds); ++i) {
    struct {
      int32_t fd;
      uint16_t events, revents;
    } poll;
    if (!call.memory->ReadValue(call.args[0] + i * sizeof poll, &poll)) break;
    if (poll.revents == 0) continue;
    if (shown++ == kShown) {
      ready += ", ...";
      break;
    }
    Print(ready, "{}{{fd={}, revents=", ready.empty() ? "" : ", ", poll.fd);
    AppendFlags(ready, Set::kPollEvents, poll.revents, *call.arch);
    ready += '}';
  }
  if (!ready.empty()) Print(out, "[{}]", ready);
}

// What pollers found and the time they left: " (in [3], left {tv_sec=1, tv_nsec=0})", " (Timeout)".
void PrintFound(const Call& call, std::string& out) {
  bool polls = call.sys == Sys::poll || call.sys == Sys::ppoll;
  bool selects = call.sys == Sys::select || call.sys == Sys::pselect6;
  if (!polls && !selects) return;
  if (call.result == 0) out += " (Timeout)";
  if (call.result <= 0) return;
  const Row& row = RowOf(call.sys);
  std::string found;
  auto add = [&](std::string_view name, int index) {
    std::string text;
    if (call.args[index] == 0) return;
    Decoder decoder = DecoderOf(row.args[index].type);
    if (!decoder({call, row, row.args[index], index, call.args[index], true}, text)) return;
    if (text == "[]") return;
    Print(found, "{}{} {}", found.empty() ? "" : ", ", name, text);
  };
  if (polls) PrintReady(call, found);
  if (call.sys == Sys::ppoll) add("left", 2);
  if (selects) {
    add("in", 1);
    add("out", 2);
    add("except", 3);
    add("left", 4);
  }
  if (!found.empty()) Print(out, " ({})", found);
}

}  // namespace

Decoder DecoderOf(Type type) {
  static const std::array<Decoder, kTypes> kDecoders = JoinDecoders();
  return kDecoders[static_cast<size_t>(type)];
}

std::string FormatCallEntry(const Call& call) { return CallText(call, false); }

std::string FormatCall(const Call& call) {
  std::string text = CallText(call, true) + " = ";
  PrintResult(call, text);
  PrintFound(call, text);
  return text;
}

}  // namespace retake
