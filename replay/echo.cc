#include "replay/echo.h"

#include <xxhash.h>

#include <algorithm>
#include <memory>
#include <vector>

namespace retake {

uint64_t ReadEcho(const ReadableMemory& memory, std::span<const Event::EchoPiece> pieces,
                  const std::function<bool(ByteSpan)>& show) {
  constexpr uint64_t kAtOnce = 1 << 20;
  std::unique_ptr<XXH3_state_t, decltype(&XXH3_freeState)> state(XXH3_createState(),
                                                                 &XXH3_freeState);
  XXH3_64bits_reset(state.get());
  std::vector<uint8_t> bytes;
  bool shows = true;
  for (const Event::EchoPiece& piece : pieces) {
    for (uint64_t done = 0; done < piece.size;) {
      bytes.resize(std::min(piece.size - done, kAtOnce));
      size_t got = memory.ReadSome(piece.address + done, bytes.data(), bytes.size());
      if (got == 0) break;
      ByteSpan part = ByteSpan(bytes).first(got);
      XXH3_64bits_update(state.get(), part.data(), part.size());
      if (shows && show) shows = show(part);
      done += got;
    }
  }
  uint64_t hash = XXH3_64bits_digest(state.get());
  return hash == 0 ? 1 : hash;
}

}  // namespace retake
