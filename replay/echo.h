// The bytes of a task's memory that are shown again: read in pieces, and hashed.
#ifndef RETAKE_REPLAY_ECHO_H_
#define RETAKE_REPLAY_ECHO_H_

#include <cstdint>
#include <functional>
#include <span>

#include "base/bytes.h"
#include "replay/event.h"
#include "tracee/memory.h"

namespace retake {

// Passes the pieces' bytes on, at most a mebibyte at a time, as far as they can be read; `show`
// says whether to go on. The hash of all that was read; never 0.
uint64_t ReadEcho(const ReadableMemory& memory, std::span<const Event::EchoPiece> pieces,
                  const std::function<bool(ByteSpan)>& show);

}  // namespace retake

#endif  // RETAKE_REPLAY_ECHO_H_
