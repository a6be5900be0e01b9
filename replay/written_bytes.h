// The bytes of a task's memory that a call writes somewhere: read in pieces, and hashed.
#ifndef RETAKE_REPLAY_WRITTEN_BYTES_H_
#define RETAKE_REPLAY_WRITTEN_BYTES_H_

#include <cstdint>
#include <functional>
#include <span>

#include "base/bytes.h"
#include "replay/event.h"
#include "tracee/memory.h"

namespace retake {

// Passes the pieces' bytes on, at most a mebibyte at a time, as far as they can be read; `visit`
// says whether to go on.
void ReadWritten(const ReadableMemory& memory, std::span<const Event::Piece> pieces,
                 const std::function<bool(ByteSpan)>& visit);
// The hash of all that can be read; never 0.
uint64_t HashWritten(const ReadableMemory& memory, std::span<const Event::Piece> pieces);

}  // namespace retake

#endif  // RETAKE_REPLAY_WRITTEN_BYTES_H_
