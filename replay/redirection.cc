#include "replay/redirection.h"

#include <algorithm>
#include <cstring>

#include "syscalls/row.h"

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
// What the kernel writes of a struct epoll_event (<linux/eventpoll.h>): 32 bits of events, 64 of
// data.
constexpr uint64_t kEpollBytes = 12;
constexpr uint64_t kEpollDataBytes = 8;

}  // namespace

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
  // What a buffer holds: whether the kernel writes a part of it only (a poll's revents, a message
  // header's lengths, the time that is left of a sleep only if it was interrupted).
  enum class Content : uint8_t { kWhole, kPartlyWritten };

  Maker(const TaskMemory& memory, Scratch& scratch, Redirection& to)
      : memory_(memory), scratch_(scratch), to_(to) {}

  // A buffer, with what it holds if `fill`. Returns its new address; the old one if it can't be
  // moved (the kernel will say why).
  uint64_t Move(uint64_t address, uint64_t size, bool fill, Content content = Content::kWhole) {
    uint8_t probe;
    if (address == 0 || size == 0 || size > kMostBytes || address + size < address) return address;
    if (!memory_.Read(address, &probe, 1) || !memory_.Read(address + size - 1, &probe, 1))
      return address;
    uint64_t at = scratch_.Allocate(size);
    if (at == 0) return address;
    to_.pieces_.push_back({at, address, size, {}});
    if (fill || content != Content::kWhole) {
      bytes_.resize(size);
      size_t got = memory_.ReadSome(address, bytes_.data(), size);
      (void)memory_.Write(at, ByteSpan(bytes_).first(got));
      if (content != Content::kWhole && got == size) to_.pieces_.back().before = bytes_;
    }
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
    uint64_t at = Move(address, sizeof(Msghdr), true, Content::kPartlyWritten);
    if (at != address) MoveInMessage(at, fill);
    return at;
  }

  uint64_t MoveMessages(uint64_t address, uint64_t count, bool fill) {
    count = std::min(count, kMostPieces);
    uint64_t at = Move(address, count * kMmsghdrSize, true, Content::kPartlyWritten);
    for (uint64_t i = 0; at != address && i < count; ++i)
      MoveInMessage(at + i * kMmsghdrSize, fill);
    return at;
  }

 private:
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
    for (Piece& piece : to_.pieces_) {
      if (at >= piece.scratch && at + size <= piece.scratch + piece.before.size())
        memcpy(piece.before.data() + (at - piece.scratch), bytes, size);
    }
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
        auto content = Maker::Content::kWhole;
        if (arg.type == Type::kPollfds || (!arg.IsInput() && arg.when != When::kSuccess))
          content = Maker::Content::kPartlyWritten;
        moved = maker.Move(address, size, arg.IsInput(), content);
        uint64_t unit = HostArch().abi.epoll_event_size;
        bool has_padding = arg.type == Type::kEpollEvents && unit > kEpollBytes;
        if (moved != address && has_padding) redirection.pieces_.back().padded_unit = unit;
        break;
      }
    }
    if (moved != address) machine::SetArgument(made, i, moved);
  }
  if (redirection.pieces_.empty()) return std::nullopt;
  return redirection;
}

void Redirection::Split(const Piece& piece, Event& event, size_t index) {
  uint64_t address = event.writes[index].address;
  ByteSpan bytes = event.BytesOf(event.writes[index]);
  std::vector<uint8_t> now(bytes.begin(), bytes.end());
  ByteSpan before = ByteSpan(piece.before).subspan(address - piece.scratch, now.size());
  for (size_t from = 0; from < now.size();) {
    if (now[from] == before[from]) {
      ++from;
      continue;
    }
    size_t to = from + 1;
    while (to < now.size() && now[to] != before[to]) ++to;
    std::span<uint8_t> out = event.AddWrite(address + from, to - from);
    memcpy(out.data(), now.data() + from, to - from);
    from = to;
  }
  event.writes[index].size = 0;
}

void Redirection::SplitUnits(uint64_t unit, Event& event, size_t index) {
  uint64_t address = event.writes[index].address;
  ByteSpan bytes = event.BytesOf(event.writes[index]);
  std::vector<uint8_t> now(bytes.begin(), bytes.end());
  auto add = [&](uint64_t from, uint64_t size) {
    memcpy(event.AddWrite(address + from, size).data(), now.data() + from, size);
  };
  for (uint64_t at = 0; at + unit <= now.size(); at += unit) {
    add(at, kEpollBytes - kEpollDataBytes);
    add(at + unit - kEpollDataBytes, kEpollDataBytes);
  }
  event.writes[index].size = 0;
}

bool Redirection::Finish(const TaskMemory& memory, Event& event, size_t first_write) const {
  auto piece_of = [&](const MemoryWrite& write) {
    return std::find_if(pieces_.begin(), pieces_.end(), [&](const Piece& p) {
      return write.address >= p.scratch && write.address < p.scratch + p.size;
    });
  };
  for (size_t i = first_write, count = event.writes.size(); i < count; ++i) {
    auto piece = piece_of(event.writes[i]);
    if (piece == pieces_.end()) continue;
    if (piece->padded_unit != 0) SplitUnits(piece->padded_unit, event, i);
    if (piece->before.empty()) continue;
    uint64_t most = piece->scratch + piece->size - event.writes[i].address;
    event.writes[i].size = static_cast<uint32_t>(std::min<uint64_t>(event.writes[i].size, most));
    Split(*piece, event, i);
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
