#include "replay/file_maps.h"

#include <algorithm>

namespace retake {

void FileMaps::Unmap(uint64_t address, uint64_t size) {
  uint64_t end = address + size;
  std::vector<FileMap> kept;
  bool touched = false;
  for (const FileMap& map : maps_) {
    if (map.end() <= address || map.address >= end) continue;
    touched = true;
    break;
  }
  if (!touched) return;
  for (const FileMap& map : maps_) {
    if (map.end() <= address || map.address >= end) {
      kept.push_back(map);
      continue;
    }
    if (map.address < address) {
      FileMap head = map;
      head.size = address - map.address;
      kept.push_back(head);
    }
    if (map.end() > end) {
      FileMap tail = map;
      tail.offset += end - map.address;
      tail.size = map.end() - end;
      tail.address = end;
      kept.push_back(tail);
    }
  }
  maps_ = std::move(kept);
}

void FileMaps::Remap(uint64_t from, uint64_t from_size, uint64_t to, uint64_t to_size) {
  std::vector<FileMap> moved;
  for (const FileMap& map : maps_) {
    if (map.end() <= from || map.address >= from + std::max<uint64_t>(from_size, 1)) continue;
    FileMap piece = map;
    uint64_t skip = map.address < from ? from - map.address : 0;
    piece.offset += skip;
    uint64_t at = map.address + skip - from;  // within the range that moves
    if (at >= to_size) continue;
    piece.address = to + at;
    // A mapping that grows goes on showing its file.
    bool last = map.end() >= from + from_size;
    piece.size = last ? to_size - at : std::min(map.size - skip, to_size - at);
    moved.push_back(piece);
  }
  if (from_size > 0) Unmap(from, from_size);
  for (const FileMap& piece : moved) Map(piece);
}

bool FileMaps::HasAny(uint64_t address, uint64_t size) const {
  return std::any_of(maps_.begin(), maps_.end(), [&](const FileMap& map) {
    return map.address < address + size && address < map.end();
  });
}

bool FileMaps::HasPrivate(uint64_t address, uint64_t size) const {
  return std::any_of(maps_.begin(), maps_.end(), [&](const FileMap& map) {
    return !map.shared && map.address < address + size && address < map.end();
  });
}

bool FileMaps::HasWritableShared() const {
  return std::any_of(maps_.begin(), maps_.end(),
                     [](const FileMap& map) { return map.shared && map.writable; });
}

const FileMap* FileMaps::Find(uint64_t address) const {
  auto found = std::find_if(maps_.begin(), maps_.end(), [&](const FileMap& map) {
    return address >= map.address && address < map.end();
  });
  return found == maps_.end() ? nullptr : &*found;
}

}  // namespace retake
