// Decoders: how each Type of argument is shown.
//
// A decoder appends the text of one argument and returns true, or returns false, having appended
// nothing, if the memory it needs can't be read; the argument is then shown as its address. All
// sizes and counts come from the program and are bounded before use. Layouts are those of 64-bit
// Linux, the same for every architecture unless AbiLayout says otherwise.
#ifndef RETAKE_SYSCALLS_DECODE_H_
#define RETAKE_SYSCALLS_DECODE_H_

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <string>
#include <string_view>

#include "syscalls/flag_sets.h"
#include "syscalls/row.h"

namespace retake {

// Entries of an array and characters of a string before "..." (strace -s, its default).
inline constexpr uint64_t kShown = 32;

struct Context {
  const Call& call;
  const Row& row;
  const Arg& arg;
  int index;
  uint64_t value;
  bool returned;  // false: the call is only being made, outputs aren't there

  template <typename T>
  bool Read(uint64_t address, T* to) const {
    return call.memory->ReadValue(address, to);
  }
  const ArchDescription& arch() const { return *call.arch; }
  // Bytes behind the argument: after the call as it says, before it as the program offers.
  uint64_t Size() const {
    return returned && arg.IsOutput() ? SizeOf(arg.size, call, index)
                                      : InputSizeOf(arg, call, index);
  }
};

using Decoder = bool (*)(const Context& context, std::string& out);

struct DecoderRow {
  Type type;
  Decoder decode;
};

// Appends fmt::format's text.
template <typename... Args>
void Print(std::string& out, fmt::format_string<Args...> format, Args&&... args) {
  fmt::format_to(std::back_inserter(out), format, std::forward<Args>(args)...);
}

// "NULL" or "0x7f...".
void PrintAddress(std::string& out, uint64_t address);
// "0" or "0x...".
void PrintHex(std::string& out, uint64_t value);
// Permissions, "0644".
void PrintMode(std::string& out, uint64_t mode);
// "S_IFREG|0644"
void PrintFileMode(std::string& out, uint32_t mode);
// "SIGTERM", "SIGRT_3"; a number that is no signal as itself.
void PrintSignal(std::string& out, uint64_t signal);

enum class Quoting : uint8_t { kOctal, kHex };
// "\177ELF\2"; no "..." is added.
void PrintQuoted(std::string& out, std::string_view bytes, Quoting quoting = Quoting::kOctal);
// Up to kShown of `size` bytes at an address, quoted, with "..." if that isn't all. False if they
// can't be read.
bool PrintBytes(const Context& context, uint64_t address, uint64_t size, std::string& out,
                Quoting quoting = Quoting::kOctal);
// A NUL-terminated string; whole if `limit` is 0.
bool PrintString(const Context& context, uint64_t address, uint64_t limit, std::string& out);
// "[a, b, ...]": `count` entries, of which kShown are shown by `print(i)`, which returns false if
// its entry can't be read.
template <typename Entry>
bool PrintList(std::string& out, uint64_t count, Entry print) {
  std::string text = "[";
  for (uint64_t i = 0; i < count; ++i) {
    if (i > 0) text += ", ";
    if (i == kShown) {
      text += "...";
      break;
    }
    if (!print(i, text)) {
      if (i == 0) return false;
      text += "...";
      break;
    }
  }
  out += text + "]";
  return true;
}

// "[0 3 4]": the bits that are set, of `count` behind the argument.
bool PrintBits(const Context& context, uint64_t count, std::string& out);

// Shared by decoders of several files.
void PrintTimespec(std::string& out, int64_t seconds, int64_t nanoseconds);
void PrintTimeval(std::string& out, int64_t seconds, int64_t microseconds);
// Clock ticks, with the seconds they make.
void PrintTicks(std::string& out, int64_t ticks);
void PrintSigset(std::string& out, uint64_t mask);
bool PrintIovec(const Context& context, uint64_t address, uint64_t count, uint64_t bytes,
                std::string& out);

// The decoders of each file.
std::span<const DecoderRow> ScalarDecoders();
std::span<const DecoderRow> BufferDecoders();
std::span<const DecoderRow> FileDecoders();
std::span<const DecoderRow> TimeDecoders();
std::span<const DecoderRow> TaskDecoders();
std::span<const DecoderRow> NetworkDecoders();

// Null for a type that is shown as its address (kOpaque).
Decoder DecoderOf(Type type);

}  // namespace retake

#endif  // RETAKE_SYSCALLS_DECODE_H_
