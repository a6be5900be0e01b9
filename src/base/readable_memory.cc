#include "base/readable_memory.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace retake {

bool ReadableMemory::ReadString(uint64_t address, std::string* text, size_t limit) const {
  constexpr uint64_t kChunk =
      256;  // divides every page size, so a chunk that is aligned crosses no page
  text->clear();
  std::array<char, kChunk> chunk;
  while (text->size() < limit) {
    size_t want = std::min<size_t>(kChunk - address % kChunk, limit - text->size());
    size_t got = ReadSome(address, chunk.data(), want);
    const void* end = memchr(chunk.data(), 0, got);
    if (end != nullptr) {
      text->append(chunk.data(), static_cast<const char*>(end) - chunk.data());
      return true;
    }
    text->append(chunk.data(), got);
    if (got < want) return false;
    address += got;
  }
  return false;
}

}  // namespace retake
