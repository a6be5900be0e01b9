// ReadableMemory: bytes at addresses, wherever they are: a live task, or what an event recorded.
// Lets the syscall table's rules and decoders run on both.
#ifndef RETAKE_BASE_READABLE_MEMORY_H_
#define RETAKE_BASE_READABLE_MEMORY_H_

#include <cstddef>
#include <cstdint>
#include <string>

namespace retake {

class ReadableMemory {
 public:
  virtual ~ReadableMemory() = default;

  // Reads up to `size` bytes at `address` into `buffer`; returns how many could be read before the
  // first that can't (0 if the first can't).
  virtual size_t ReadSome(uint64_t address, void* buffer, size_t size) const = 0;

  bool Read(uint64_t address, void* buffer, size_t size) const {
    return ReadSome(address, buffer, size) == size;
  }
  template <typename T>
  bool ReadValue(uint64_t address, T* value) const {
    return Read(address, value, sizeof *value);
  }
  // Reads a NUL-terminated string of at most `limit` bytes, page by page so that a string that ends
  // at the last byte before an unmapped page is read whole (S19). False if it has no end within the
  // limit or the readable memory; `text` then holds what there was.
  bool ReadString(uint64_t address, std::string* text, size_t limit = 4096) const;
};

}  // namespace retake

#endif  // RETAKE_BASE_READABLE_MEMORY_H_
