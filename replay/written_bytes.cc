#include "replay/written_bytes.h"

#include <xxhash.h>

#include <algorithm>
#include <memory>
#include <vector>

namespace retake {

void ReadWritten(const ReadableMemory& memory, std::span<const Event::Piece> pieces,
                 const std::function<bool(ByteSpan)>& visit) {
  constexpr uint64_t kAtOnce = 1 << 20;
  std::vector<uint8_t> bytes;
  for (const Event::Piece& piece : pieces) {
    for (uint64_t done = 0; done < piece.size;) {
      bytes.resize(std::min(piece.size - done, kAtOnce));
      size_t got = memory.ReadSome(piece.address + done, bytes.data(), bytes.size());
      if (got == 0) break;
      if (!visit(ByteSpan(bytes).first(got))) return;
      done += got;
    }
  }
}

uint64_t HashWritten(const ReadableMemory& memory, std::span<const Event::Piece> pieces) {
  std::unique_ptr<XXH3_state_t, decltype(&XXH3_freeState)> state(XXH3_createState(),
                                                                 &XXH3_freeState);
  XXH3_64bits_reset(state.get());
  ReadWritten(memory, pieces, [&](ByteSpan bytes) {
    XXH3_64bits_update(state.get(), bytes.data(), bytes.size());
    return true;
  });
  uint64_t hash = XXH3_64bits_digest(state.get());
  return hash == 0 ? 1 : hash;
}

}  // namespace retake
