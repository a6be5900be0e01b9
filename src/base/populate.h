// Populate: memory that is about to be written from end to end, all of it at once.
#ifndef RETAKE_BASE_POPULATE_H_
#define RETAKE_BASE_POPULATE_H_

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace retake {

// A fault for each page costs more than to fill it does, ten times as much in some virtual
// machines. A hint: it may do nothing (before Linux 5.14). The memory's contents stay.
inline void Populate(void* start, size_t bytes) {
  constexpr size_t kWorthACall = 256 << 10;
  constexpr int kPopulateWrite = 23;  // MADV_POPULATE_WRITE, <asm-generic/mman-common.h>
  if (bytes < kWorthACall) return;
  auto page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  uintptr_t from = (reinterpret_cast<uintptr_t>(start) + page - 1) / page * page;
  uintptr_t end = (reinterpret_cast<uintptr_t>(start) + bytes) / page * page;
  (void)madvise(reinterpret_cast<void*>(from), end - from, kPopulateWrite);
}

// What a vector has reserved.
template <typename T>
void Populate(std::vector<T>& reserved) {
  T* start = reserved.data();
  T* end = start + reserved.capacity();
  Populate(start,
           static_cast<size_t>(reinterpret_cast<char*>(end) - reinterpret_cast<char*>(start)));
}

}  // namespace retake

#endif  // RETAKE_BASE_POPULATE_H_
