#include "replay/unseen_code.h"

#include <algorithm>
#include <iterator>
#include <vector>

namespace retake {

void UnseenCode::Add(uint64_t address, uint64_t size, uint32_t prot) {
  Remove(address, size);
  if (size > 0) pieces_[address] = {address + size, prot};
}

void UnseenCode::Remove(uint64_t address, uint64_t size) {
  uint64_t end = address + size;
  auto at = pieces_.lower_bound(address);
  if (at != pieces_.begin() && std::prev(at)->second.end > address) --at;
  while (at != pieces_.end() && at->first < end) {
    uint64_t start = at->first;
    Piece piece = at->second;
    at = pieces_.erase(at);
    if (start < address) pieces_[start] = {address, piece.prot};
    if (piece.end > end) pieces_[end] = piece;
  }
}

void UnseenCode::Move(uint64_t from, uint64_t from_size, uint64_t to, uint64_t to_size) {
  struct Moved {
    uint64_t address, size;
    uint32_t prot;
  };
  std::vector<Moved> moved;
  for (const auto& [start, piece] : pieces_) {
    uint64_t first = std::max(start, from);
    // What grows is as its end was.
    bool last = piece.end >= from + from_size;
    uint64_t end = last ? from + to_size : std::min(piece.end, from + to_size);
    if (start >= from + from_size || piece.end <= from || first >= end) continue;
    moved.push_back({to + (first - from), end - first, piece.prot});
  }
  Remove(from, from_size);
  Remove(to, to_size);
  for (const Moved& piece : moved) Add(piece.address, piece.size, piece.prot);
}

std::optional<uint32_t> UnseenCode::ProtectionAt(uint64_t address) const {
  auto next = pieces_.upper_bound(address);
  if (next == pieces_.begin()) return std::nullopt;
  const Piece& piece = std::prev(next)->second;
  if (address >= piece.end) return std::nullopt;
  return piece.prot;
}

}  // namespace retake
