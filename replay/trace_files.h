// TraceFiles: the files of a trace, wherever they are: in a directory, or packed into one file.
#ifndef RETAKE_REPLAY_TRACE_FILES_H_
#define RETAKE_REPLAY_TRACE_FILES_H_

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "archive/source.h"
#include "base/fd.h"
#include "base/result.h"

namespace retake {

class TraceFiles {
 public:
  virtual ~TraceFiles() = default;

  // Opens what `path` names: a directory, or a packed trace.
  static Result<std::unique_ptr<TraceFiles>> Open(const std::string& path);

  virtual Result<std::string> ReadManifest() const = 0;
  virtual Result<std::unique_ptr<ByteSource>> OpenEvents() const = 0;
  // A descriptor on the contents of a blob, read-only.
  virtual Result<Fd> OpenBlob(const std::string& hash) const = 0;
  // Whether a recorder is at work on it; nullopt where that can't be known.
  virtual std::optional<bool> IsBeingWritten() const { return std::nullopt; }
  // Checks what this form of trace has of its own.
  virtual Status Verify() const { return {}; }
};

// Of a packed trace (trace_pack.cc). `file` is open on it.
Result<std::unique_ptr<TraceFiles>> OpenPackedTrace(Fd file, const std::string& path);

}  // namespace retake

#endif  // RETAKE_REPLAY_TRACE_FILES_H_
