// A trace as one file, to send or to keep: an archive of the trace's files. TraceReader::Open reads
// it as it is; unpacked, it is the directory again, byte for byte.
#ifndef RETAKE_REPLAY_TRACE_PACK_H_
#define RETAKE_REPLAY_TRACE_PACK_H_

#include <string>

#include "base/result.h"

namespace retake {

// Packs the trace in `directory` into `file`, which must not exist. A trace that is still being
// written is packed as far as it goes.
Status PackTrace(const std::string& directory, const std::string& file);

// Unpacks `file` into `directory`, which must be absent or empty. Every checksum and every blob's
// hash is checked on the way; after a failure nothing is left behind.
Status UnpackTrace(const std::string& file, const std::string& directory);

}  // namespace retake

#endif  // RETAKE_REPLAY_TRACE_PACK_H_
