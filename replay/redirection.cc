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
  Maker(const TaskMemory& memory, Scratch& scratch, Redirection& to)
      : memory_(memory), scratch_(scratch), to_(to) {}

  // A buffer, with what it holds if `fill`. Returns its new address; the old one if it can't be
  // moved (the kernel will say why).
  uint64_t Move(uint64_t address, uint64_t size, bool fill) {
    uint8_t probe;
    if (address == 0 || size == 0 || size > kMostBytes || address + size < address) return address;
    if (!memory_.Read(address, &probe, 1) || !memory_.Read(address + size - 1, &probe, 1))
      return address;
    uint64_t at = scratch_.Allocate(size);
    if (at == 0) return address;
    to_.pieces_.push_back({at, address, size});
    if (fill) {
      bytes_.resize(size);
      size_t got = memory_.ReadSome(address, bytes_.data(), size);
      (void)memory_.Write(at, ByteSpan(bytes_).first(got));
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
    uint64_t at = Move(address, sizeof(Msghdr), true);
    if (at != address) MoveInMessage(at, fill);
    return at;
  }

  uint64_t MoveMessages(uint64_t address, uint64_t count, bool fill) {
    count = std::min(count, kMostPieces);
    uint64_t at = Move(address, count * kMmsghdrSize, true);
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
        moved = maker.Move(address, size, arg.IsInput());
        break;
      }
    }
    if (moved != address) machine::SetArgument(made, i, moved);
  }
  if (redirection.pieces_.empty()) return std::nullopt;
  return redirection;
}

bool Redirection::Finish(const TaskMemory& memory, Event& event, size_t first_write) const {
  bool writable = true;
  for (size_t i = first_write; i < event.writes.size(); ++i) {
    MemoryWrite& write = event.writes[i];
    auto piece = std::find_if(pieces_.begin(), pieces_.end(), [&](const Piece& p) {
      return write.address >= p.scratch && write.address < p.scratch + p.size;
    });
    if (piece == pieces_.end()) continue;
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
