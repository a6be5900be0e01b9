// Decoders of strings, buffers and vectors.
#include "syscalls/decode.h"

namespace retake {
namespace {

constexpr uint64_t kLongestPath = 4096;    // PATH_MAX
constexpr uint64_t kMaxEnvironment = 512;  // as many pointers as the recorder keeps

bool Path(const Context& c, std::string& out) { return PrintString(c, c.value, 0, out); }
bool String(const Context& c, std::string& out) { return PrintString(c, c.value, kShown, out); }
bool Buffer(const Context& c, std::string& out) {
  // A call that only measures gets a size of 0 and writes nothing.
  if (c.returned && c.arg.IsOutput() && InputSizeOf(c.arg, c.call, c.index) == 0) return false;
  return PrintBytes(c, c.value, c.Size(), out);
}
bool HexBuffer(const Context& c, std::string& out) {
  return PrintBytes(c, c.value, c.Size(), out, Quoting::kHex);
}

bool Strings(const Context& c, std::string& out) {
  uint64_t count = 0;
  for (; count <= kShown; ++count) {
    uint64_t pointer = 0;
    if (!c.Read(c.value + count * 8, &pointer)) return false;
    if (pointer == 0) break;
  }
  return PrintList(out, count, [&](uint64_t i, std::string& text) {
    uint64_t pointer = 0;
    if (!c.Read(c.value + i * 8, &pointer)) return false;
    if (!PrintString(c, pointer, kShown, text)) PrintAddress(text, pointer);
    return true;
  });
}

bool Environment(const Context& c, std::string& out) {
  uint64_t count = 0;
  for (; count < kMaxEnvironment; ++count) {
    uint64_t pointer = 0;
    if (!c.Read(c.value + count * 8, &pointer)) return false;
    if (pointer == 0) break;
  }
  Print(out, "{:#x} /* {} var{} */", c.value, count, count == 1 ? "" : "s");
  return true;
}

bool Iovec(const Context& c, std::string& out) {
  // What was read is shown as far as it goes; what is written, whole.
  uint64_t bytes = ~uint64_t{0};
  if (c.arg.IsOutput()) {
    if (!c.returned || c.call.result < 0) return false;
    bytes = static_cast<uint64_t>(c.call.result);
  }
  return PrintIovec(c, c.value, c.call.args[c.arg.size.arg], bytes, out);
}

bool IovecAddresses(const Context& c, std::string& out) {
  return PrintList(out, c.Size() / 16, [&](uint64_t i, std::string& text) {
    uint64_t entry[2];
    if (!c.Read(c.value + i * sizeof entry, &entry)) return false;
    text += "{iov_base=";
    PrintAddress(text, entry[0]);
    Print(text, ", iov_len={}}}", entry[1]);
    return true;
  });
}

constexpr DecoderRow kDecoders[] = {
    {Type::kPath, Path},       {Type::kString, String},
    {Type::kBuffer, Buffer},   {Type::kHexBuffer, HexBuffer},
    {Type::kStrings, Strings}, {Type::kEnvironment, Environment},
    {Type::kIovec, Iovec},     {Type::kIovecAddresses, IovecAddresses},
};

}  // namespace

std::span<const DecoderRow> BufferDecoders() { return kDecoders; }

void PrintQuoted(std::string& out, std::string_view bytes, Quoting quoting) {
  out += '"';
  for (size_t i = 0; i < bytes.size(); ++i) {
    auto byte = static_cast<unsigned char>(bytes[i]);
    if (quoting == Quoting::kHex) {
      Print(out, "\\x{:02x}", byte);
      continue;
    }
    constexpr std::string_view kEscaped = "\"\\\f\n\r\t\v";
    constexpr std::string_view kEscapes = "\"\\fnrtv";
    size_t escape = kEscaped.find(static_cast<char>(byte));
    if (escape != std::string_view::npos) {
      out += '\\';
      out += kEscapes[escape];
    } else if (byte >= ' ' && byte < 0x7f) {
      out += static_cast<char>(byte);
    } else if (i + 1 < bytes.size() && bytes[i + 1] >= '0' && bytes[i + 1] <= '9') {
      Print(out, "\\{:03o}", byte);  // a digit follows: all three are needed
    } else {
      Print(out, "\\{:o}", byte);
    }
  }
  out += '"';
}

bool PrintBytes(const Context& context, uint64_t address, uint64_t size, std::string& out,
                Quoting quoting) {
  char bytes[kShown];
  uint64_t shown = std::min(size, kShown);
  if (context.call.memory->ReadSome(address, bytes, shown) != shown) return false;
  PrintQuoted(out, {bytes, shown}, quoting);
  if (size > shown) out += "...";
  return true;
}

bool PrintString(const Context& context, uint64_t address, uint64_t limit, std::string& out) {
  if (address == 0) {
    out += "NULL";
    return true;
  }
  std::string text;
  bool ended =
      context.call.memory->ReadString(address, &text, limit == 0 ? kLongestPath : limit + 1);
  if (!ended && text.empty()) return false;
  bool cut = !ended;
  if (limit != 0 && text.size() > limit) {
    text.resize(limit);
    cut = true;
  }
  PrintQuoted(out, text);
  if (cut) out += "...";
  return true;
}

bool PrintBits(const Context& context, uint64_t count, std::string& out) {
  constexpr uint64_t kMostBits = 1u << 16;
  constexpr uint64_t kMostShown = 256;
  count = std::min(count, kMostBits);
  std::string text = "[";
  uint64_t shown = 0;
  for (uint64_t at = 0; at * 8 < count; ++at) {
    uint8_t byte;
    if (!context.Read(context.value + at, &byte)) return false;
    for (uint64_t bit = at * 8; bit < std::min(at * 8 + 8, count); ++bit) {
      if ((byte >> bit % 8 & 1) == 0) continue;
      if (shown > 0) text += ' ';
      if (shown++ == kMostShown) {
        out += text + "...]";
        return true;
      }
      Print(text, "{}", bit);
    }
  }
  out += text + "]";
  return true;
}

bool PrintIovec(const Context& context, uint64_t address, uint64_t count, uint64_t bytes,
                std::string& out) {
  return PrintList(out, count, [&](uint64_t i, std::string& text) {
    uint64_t entry[2];
    if (!context.Read(address + i * sizeof entry, &entry)) return false;
    uint64_t size = std::min(entry[1], bytes);
    bytes -= size;
    text += "{iov_base=";
    if (!PrintBytes(context, entry[0], size, text)) PrintAddress(text, entry[0]);
    Print(text, ", iov_len={}}}", entry[1]);
    return true;
  });
}

}  // namespace retake
