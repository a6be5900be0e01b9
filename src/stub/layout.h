// The stub page: where it is in every traced process and husk, and the layout of the data page
// behind its code page.
//
// The code page holds position-independent code from arch/<isa>/stub.S (read and execute). The data
// page (read and write) holds a batch: a list of syscalls that the stub makes one after the other,
// storing each result, before it breaks into the supervisor: one stop for any number of injected
// calls. The seccomp gate lets calls through whose instruction pointer lies in the code page.
#ifndef RETAKE_STUB_LAYOUT_H_
#define RETAKE_STUB_LAYOUT_H_

#include <cstddef>
#include <cstdint>

namespace retake {

// Fixed, known before exec, below every default load address (PIE, ld.so, mmap base) and above what
// a non-PIE executable uses. 64 KiB apart so that it is right for every page size of aarch64.
inline constexpr uint64_t kStubAddress = 0x7000'0000;
inline constexpr uint64_t kStubCodeSize = 0x1'0000;
inline constexpr uint64_t kStubDataAddress = kStubAddress + kStubCodeSize;
inline constexpr uint64_t kStubDataSize = 0x1'0000;
inline constexpr uint64_t kStubEnd = kStubDataAddress + kStubDataSize;

// Behind it, mapped once a process has threads: buffers for their calls that block
// (replay/redirection.h). Not there in a replay.
inline constexpr uint64_t kScratchAddress = 0x7100'0000;
inline constexpr uint64_t kScratchSize = 64 << 20;
inline constexpr uint64_t kReservedEnd = 0x7800'0000;
static_assert(kScratchAddress + kScratchSize <= kReservedEnd);

// One syscall of a batch. The stub reads it, makes the call and writes the result back.
struct BatchCall {
  uint64_t number;
  uint64_t args[6];
  uint64_t result;
};

// At kStubDataAddress.
struct Batch {
  uint64_t count;  // calls to make
  uint64_t done;   // calls made so far; the stub counts
  BatchCall calls[];
};

inline constexpr size_t kMaxBatchCalls = 256;
inline constexpr uint64_t kBatchBytes = sizeof(Batch) + kMaxBatchCalls * sizeof(BatchCall);
// Behind the batch: room for what the calls point to (a filter program, a string).
inline constexpr uint64_t kStubScratchAddress = kStubDataAddress + 0x8000;
inline constexpr uint64_t kStubScratchSize = 0x8000;
static_assert(kBatchBytes <= 0x8000);

// Whether [address, address + size) touches the stub or what is reserved behind it. A MAP_FIXED
// there is refused. Both come from a program: their sum may wrap around.
constexpr bool TouchesStub(uint64_t address, uint64_t size) {
  uint64_t before = address < kStubAddress ? kStubAddress - address : 0;
  return address < kReservedEnd && size > before;
}

}  // namespace retake

#endif  // RETAKE_STUB_LAYOUT_H_
