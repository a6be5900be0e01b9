// FileMaps: which parts of a process's memory show which parts of which file or shared object.
// Private anonymous memory isn't kept here: nothing outside the process can change it.
#ifndef RETAKE_REPLAY_FILE_MAPS_H_
#define RETAKE_REPLAY_FILE_MAPS_H_

#include <cstdint>
#include <vector>

#include "replay/fd_table.h"

namespace retake {

struct FileMap {
  uint64_t address = 0;
  uint64_t size = 0;
  uint64_t offset = 0;  // into the file
  FileId file;
  bool shared = false;    // MAP_SHARED
  bool writable = false;  // ... and may be written through this map
  uint32_t object = 0;    // of the trace

  uint64_t end() const { return address + size; }
};

class FileMaps {
 public:
  void Map(const FileMap& map) {
    Unmap(map.address, map.size);
    maps_.push_back(map);
  }
  // Also what a mapping without a file does to what was there.
  void Unmap(uint64_t address, uint64_t size);
  void Remap(uint64_t from, uint64_t from_size, uint64_t to, uint64_t to_size);

  const std::vector<FileMap>& all() const { return maps_; }
  bool HasWritableShared() const;
  // Whether any map shows anything there.
  bool HasAny(uint64_t address, uint64_t size) const;
  // Whether a private map shows anything there.
  bool HasPrivate(uint64_t address, uint64_t size) const;
  // The map that shows an address, or null.
  const FileMap* Find(uint64_t address) const;

 private:
  std::vector<FileMap> maps_;
};

}  // namespace retake

#endif  // RETAKE_REPLAY_FILE_MAPS_H_
