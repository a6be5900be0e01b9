#include "replay/redirection.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "syscalls/row.h"
#include "tracee/remote_calls.h"

namespace retake {
namespace {

// A larger buffer is offered to the kernel in part: calls that may block transfer less than asked
// at any time.
constexpr uint64_t kMostBytes = 8 << 20;
constexpr uint64_t kMostPieces = 1024;  // UIO_MAXIOV
constexpr uint64_t kAlign = 64;

struct Iovec {
  uint64_t base;
  uint64_t length;
};

// struct user_msghdr of a 64-bit kernel (<linux/socket.h>): which words are pointers, and how long
// what they point at is.
struct Msghdr {
  uint64_t name;
  uint64_t name_length;  // 32 bits and padding
  uint64_t iov;
  uint64_t iov_count;
  uint64_t control;
  uint64_t control_length;
  uint64_t flags;
};
constexpr uint64_t kMmsghdrSize = 64;  // a msghdr, a 32-bit length, padding
constexpr uint64_t kMostName = 128;    // sizeof(struct sockaddr_storage)

}  // namespace

// A buffer is a row of units that are alike. Comparing with what stood there before wouldn't tell
// what was written: the kernel may write what stood there.
struct Redirection::Layout {
  // The kernel writes all of a part or nothing of it. That it did is seen ...
  enum class Seen : uint8_t {
    kByMark,     // by the mark being gone: bytes of kMark, put there before, that no kernel writes
    kBySuccess,  // by the call's success
    kByItsPointer  // by that, and by the word at `pointer` in the unit not being null
  };
  struct Part {
    uint64_t offset;
    uint64_t size;
    Seen seen;
    uint64_t pointer = 0;
  };
  static constexpr uint8_t kMark = 0xff;

  uint64_t unit = 0;  // in bytes; 0: the buffer is one unit, and each part reaches to its end
  std::array<Part, 4> parts = {};
  size_t count = 0;

  static const Layout kWhole;
  static const Layout kPollfd;
  static const Layout kSiginfo;
  static const Layout kReceived, kReceivedMany;
  static const Layout kSentMany;
  // struct epoll_event, whose padding isn't written (<linux/eventpoll.h>: packed on x86_64).
  static const Layout kEpollPadded;

  // Of what a blocked call is to fill; null if the kernel writes it from end to end.
  static const Layout* Of(const Arg& arg) {
    if (arg.type == Type::kPollfds) return &kPollfd;
    if (arg.type == Type::kEpollEvents && HostArch().abi.epoll_event_size == kEpollPadded.unit)
      return &kEpollPadded;
    if (arg.IsInput() || arg.when == When::kSuccess) return nullptr;
    return arg.type == Type::kSiginfo ? &kSiginfo : &kWhole;
  }
};

// The time that is left of a sleep: if it was interrupted. No count of nanoseconds is the mark.
constexpr Redirection::Layout Redirection::Layout::kWhole{
    0, {{{0, ~uint64_t{0}, Seen::kByMark}}}, 1};
// revents. No file has every event.
constexpr Redirection::Layout Redirection::Layout::kPollfd{8, {{{6, 2, Seen::kByMark}}}, 1};
// waitid's: signal, errno and code; pid, uid and status. The signal is SIGCHLD or 0, the pid a pid
// or 0.
constexpr Redirection::Layout Redirection::Layout::kSiginfo{
    128, {{{0, 12, Seen::kByMark}, {16, 12, Seen::kByMark}}}, 2};
// msg_namelen, msg_controllen, msg_flags, and the length of a message of many.
constexpr Redirection::Layout Redirection::Layout::kReceived{
    sizeof(Msghdr),
    {{{offsetof(Msghdr, name_length), 4, Seen::kByItsPointer, offsetof(Msghdr, name)},
      {offsetof(Msghdr, control_length), 8, Seen::kBySuccess},
      {offsetof(Msghdr, flags), 4, Seen::kBySuccess}}},
    3};
constexpr Redirection::Layout Redirection::Layout::kReceivedMany{
    kMmsghdrSize,
    {{kReceived.parts[0],
      kReceived.parts[1],
      kReceived.parts[2],
      {sizeof(Msghdr), 4, Seen::kBySuccess}}},
    4};
constexpr Redirection::Layout Redirection::Layout::kSentMany{
    kMmsghdrSize, {{{sizeof(Msghdr), 4, Seen::kBySuccess}}}, 1};
constexpr Redirection::Layout Redirection::Layout::kEpollPadded{
    16, {{{0, 4, Seen::kBySuccess}, {8, 8, Seen::kBySuccess}}}, 2};

uint64_t Scratch::Allocate(uint64_t size) {
  size = (size + kAlign - 1) & ~(kAlign - 1);
  uint64_t at = kScratchAddress;
  for (auto [start, length] : used_) {
    if (start - at >= size) break;
    at = start + length;
  }
  if (size == 0 || kScratchAddress + kScratchSize - at < size) return 0;
  used_[at] = size;
  return at;
}

// Moves buffers and keeps account of them.
class Redirection::Maker {
 public:
  Maker(const TaskMemory& memory, Scratch& scratch, Redirection& to)
      : memory_(memory), scratch_(scratch), to_(to) {}

  // A buffer, with what it holds if `fill`. Returns its new address; the old one if it can't be
  // moved (the kernel will say why).
  uint64_t Move(uint64_t address, uint64_t size, bool fill, const Layout* layout = nullptr) {
    uint8_t probe;
    if (address == 0 || size == 0 || size > kMostBytes || address + size < address) return address;
    if (!memory_.Read(address, &probe, 1) || !memory_.Read(address + size - 1, &probe, 1))
      return address;
    uint64_t at = scratch_.Allocate(size);
    if (at == 0) return address;
    to_.pieces_.push_back({at, address, size, layout});
    bytes_.assign(size, 0);
    if (fill) bytes_.resize(memory_.ReadSome(address, bytes_.data(), size));
    if (layout != nullptr) Mark(*layout);
    if (fill || layout != nullptr) (void)memory_.Write(at, bytes_);
    return at;
  }

  uint64_t MoveIovec(uint64_t address, uint64_t count, bool fill) {
    count = std::min(count, kMostPieces);
    std::vector<Iovec> entries(count);
    if (address == 0 || count == 0 || !memory_.Read(address, entries.data(), count * sizeof(Iovec)))
      return address;
    std::vector<Iovec> moved = entries;
    uint64_t left = kMostBytes;
    for (Iovec& entry : moved) {
      entry.length = std::min(entry.length, left);
      left -= entry.length;
      entry.base = Move(entry.base, entry.length, fill);
    }
    uint64_t at = Move(address, count * sizeof(Iovec), false);
    if (at == address) return address;
    for (uint64_t i = 0; i < count; ++i) {
      Remember(at + i * sizeof(Iovec), entries[i].base);
      Remember(at + i * sizeof(Iovec) + 8, entries[i].length);
    }
    Put(at, moved.data(), count * sizeof(Iovec));
    return at;
  }

  uint64_t MoveMessage(uint64_t address, bool fill) {
    uint64_t at = Move(address, sizeof(Msghdr), true, &Layout::kReceived);
    if (at != address) MoveInMessage(at, fill);
    return at;
  }

  uint64_t MoveMessages(uint64_t address, uint64_t count, bool fill) {
    count = std::min(count, kMostPieces);
    uint64_t at = Move(address, count * kMmsghdrSize, true,
                       fill ? &Layout::kSentMany : &Layout::kReceivedMany);
    for (uint64_t i = 0; at != address && i < count; ++i)
      MoveInMessage(at + i * kMmsghdrSize, fill);
    return at;
  }

 private:
  void Mark(const Layout& layout) {
    uint64_t unit = layout.unit != 0 ? layout.unit : bytes_.size();
    for (uint64_t start = 0; start < bytes_.size(); start += unit) {
      for (const Layout::Part& part : std::span(layout.parts).first(layout.count)) {
        if (part.seen != Layout::Seen::kByMark) continue;
        uint64_t from = start + part.offset, end = std::min<uint64_t>(bytes_.size(), start + unit);
        if (from < end) memset(&bytes_[from], Layout::kMark, std::min(part.size, end - from));
      }
    }
  }

  // What a message header, itself moved already, points at.
  void MoveInMessage(uint64_t at, bool fill) {
    Msghdr header;
    if (!memory_.ReadValue(at, &header)) return;
    Remember(at + offsetof(Msghdr, name), header.name);
    Remember(at + offsetof(Msghdr, iov), header.iov);
    Remember(at + offsetof(Msghdr, control), header.control);
    uint64_t name_length = std::min<uint64_t>(static_cast<uint32_t>(header.name_length), kMostName);
    header.name = Move(header.name, name_length, true);
    header.iov = MoveIovec(header.iov, header.iov_count, fill);
    header.control = Move(header.control, header.control_length, true);
    Put(at, &header, sizeof header);
  }

  void Remember(uint64_t at, uint64_t real) { to_.pointers_.push_back({at, real}); }
  void Put(uint64_t at, const void* bytes, size_t size) {
    (void)memory_.Write(at, ByteSpan(static_cast<const uint8_t*>(bytes), size));
  }

  const TaskMemory& memory_;
  Scratch& scratch_;
  Redirection& to_;
  std::vector<uint8_t> bytes_;
};

std::optional<Redirection> Redirection::Make(const Row& row, const Call& call,
                                             const TaskMemory& memory, Scratch& scratch,
                                             Registers& made) {
  Redirection redirection;
  Maker maker(memory, scratch, redirection);
  Arguments arguments = ArgumentsOf(row, call);
  bool sends = row.write != WriteSource::kNone;
  for (int i = 0; i < arguments.count; ++i) {
    const Arg& arg = *arguments.args[static_cast<size_t>(i)];
    uint64_t address = call.args[static_cast<size_t>(i)];
    uint64_t moved = address;
    switch (arg.type) {
      case Type::kIovec:
        moved = maker.MoveIovec(address, call.args[static_cast<size_t>(arg.size.arg)], sends);
        break;
      case Type::kMsghdr:
        moved = maker.MoveMessage(address, sends);
        break;
      case Type::kMmsghdr:
        moved = maker.MoveMessages(address, call.args[static_cast<size_t>(arg.size.arg)], sends);
        break;
      default: {
        // Other inputs (paths, time-outs) are read at once.
        bool is_data = arg.type == Type::kBuffer && sends;
        if (!arg.IsOutput() && !is_data) break;
        uint64_t size = InputSizeOf(arg, call, i);
        int count = arg.size.arg;
        if (size > kMostBytes && count >= 0 && arg.type == Type::kBuffer) {
          size = kMostBytes;
          machine::SetArgument(made, count, size);
        }
        moved = maker.Move(address, size, arg.IsInput(), Layout::Of(arg));
        break;
      }
    }
    if (moved != address) machine::SetArgument(made, i, moved);
  }
  if (redirection.pieces_.empty()) return std::nullopt;
  return redirection;
}

void Redirection::Split(const Piece& piece, Event& event, size_t index, int64_t result) {
  using Seen = Layout::Seen;
  ByteSpan bytes = event.BytesOf(event.writes[index]);
  std::vector<uint8_t> now(bytes.begin(), bytes.end());
  uint64_t first = event.writes[index].address - piece.scratch, end = first + now.size();
  uint64_t unit = piece.layout->unit != 0 ? piece.layout->unit : piece.size;
  bool success = !CallFailed(static_cast<uint64_t>(result));
  auto written = [&](const Layout::Part& part, uint64_t start, ByteSpan held) {
    if (part.seen == Seen::kByMark)
      return std::any_of(held.begin(), held.end(), [](uint8_t b) { return b != Layout::kMark; });
    if (!success || part.seen == Seen::kBySuccess) return success;
    uint64_t pointer = 0, at = start + part.pointer;
    if (at >= first && at + sizeof pointer <= end)
      memcpy(&pointer, &now[at - first], sizeof pointer);
    return pointer != 0;
  };
  for (uint64_t start = first / unit * unit; start < end; start += unit) {
    for (const Layout::Part& part : std::span(piece.layout->parts).first(piece.layout->count)) {
      uint64_t from = std::max(start + part.offset, first);
      uint64_t to = std::min(start + std::min(part.size, unit - part.offset) + part.offset, end);
      if (from >= to) continue;
      ByteSpan held = ByteSpan(now).subspan(from - first, to - from);
      if (!written(part, start, held)) continue;
      memcpy(event.AddWrite(piece.scratch + from, to - from).data(), held.data(), held.size());
    }
  }
  event.writes[index].size = 0;
}

bool Redirection::Finish(const TaskMemory& memory, Event& event, size_t first_write,
                         int64_t result) const {
  auto piece_of = [&](const MemoryWrite& write) {
    return std::find_if(pieces_.begin(), pieces_.end(), [&](const Piece& p) {
      return write.address >= p.scratch && write.address < p.scratch + p.size;
    });
  };
  for (size_t i = first_write, count = event.writes.size(); i < count; ++i) {
    auto piece = piece_of(event.writes[i]);
    if (piece == pieces_.end()) continue;
    if (piece->layout == nullptr) continue;
    uint64_t most = piece->scratch + piece->size - event.writes[i].address;
    event.writes[i].size = static_cast<uint32_t>(std::min<uint64_t>(event.writes[i].size, most));
    Split(*piece, event, i, result);
  }
  bool writable = true;
  for (size_t i = first_write; i < event.writes.size(); ++i) {
    MemoryWrite& write = event.writes[i];
    auto piece = piece_of(write);
    if (piece == pieces_.end() || write.size == 0) continue;
    write.size = static_cast<uint32_t>(
        std::min<uint64_t>(write.size, piece->scratch + piece->size - write.address));
    for (const Pointer& pointer : pointers_) {
      if (pointer.at < write.address || pointer.at + 8 > write.address + write.size) continue;
      memcpy(event.data.data() + write.offset + (pointer.at - write.address), &pointer.real, 8);
    }
    write.address = piece->real + (write.address - piece->scratch);
    if (!memory.WriteAsTask(write.address, event.BytesOf(write)).ok()) {
      writable = false;
      write.size = 0;
    }
  }
  return writable;
}

void Redirection::Release(Scratch& scratch) const {
  for (const Piece& piece : pieces_) scratch.Free(piece.scratch);
}

}  // namespace retake
