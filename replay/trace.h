// A trace on disk: what the recorder writes and the replayer, `dump`, `info` and `verify` read.
//
// A directory: `manifest` (JSON: who, where, which architecture and CPU, how it ended), `events`
// (an append-only archive of sections: objects, images, events), and `blobs/` (contents of mapped
// files, named by their hash). docs/trace-format.md describes each byte. A trace never needs the
// recording machine again.
#ifndef RETAKE_REPLAY_TRACE_H_
#define RETAKE_REPLAY_TRACE_H_

#include <sys/stat.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "replay/event.h"
#include "snapshot/image.h"

namespace retake {

// The version of the format. A reader refuses any other with a sentence.
inline constexpr int kTraceVersion = 1;

// Contents that mappings refer to.
struct TraceObject {
  enum class Kind : uint8_t {
    kBlob = 1,  // blobs/HASH, read-only
    kShared,  // writable shared memory: starts as blob HASH (or zeros, if hash is empty) of `size`
              // bytes
  };
  Kind kind = Kind::kBlob;
  std::string hash;   // 32 hex digits (XXH3-128), or empty
  uint64_t size = 0;  // bytes
  std::string path;   // where the file was: for people and for symbols, never opened by a replay
};

// How a recording came to its end. A trace whose recorder died has kUnfinished for ever.
enum class TraceEnd : uint8_t { kUnfinished, kComplete, kStopped };

struct TraceManifest {
  ArchId arch = ArchId::kX86_64;
  std::string retake_version;
  std::vector<std::string> command;
  std::string directory;  // working directory
  std::string host;
  std::string kernel;
  int64_t started = 0;  // seconds since the epoch
  int cpu = -1;         // CPU number recorded on
  std::string cpu_model;
  std::vector<std::string> cpu_features;  // that the program could see and a replay needs
  bool portable = false;
  // Reads of the time-stamp counter trap by changes of code, which are in the trace; else the
  // kernel has to make them trap.
  bool planted_traps = false;
  uint64_t page_size = 4096;
  uint64_t vector_bytes = 0;  // size of the vector regset
  // What stdout, stderr and the terminal were, for people ("pipe", "file /x", "tty").
  // Filled in at the end:
  TraceEnd end = TraceEnd::kUnfinished;
  std::string reason;              // why it stopped, where it did
  std::optional<int> wait_status;  // of the first process
  uint64_t events = 0;
  uint64_t tasks = 0;
  double seconds = 0;
  std::map<std::string, uint64_t>
      unknown_calls;  // counted: numbers without a row, outputs by page difference
};

struct TraceWriterOptions {
  int compression_level = 1;       // zstd
  size_t section_bytes = 1 << 20;  // a section is closed at this size ...
  int section_milliseconds = 100;  // ... or this age
};

// Writes a trace. Append and Add* are called by the tracer thread only; a thread of the writer's
// own compresses and writes. After a write failed (a full disk) the writer drops what comes and
// says so in health(); what was written before stays readable.
class TraceWriter {
 public:
  // `directory` must exist and be empty.
  static Result<std::unique_ptr<TraceWriter>> Create(std::string directory, TraceManifest manifest,
                                                     TraceWriterOptions options = {});
  virtual ~TraceWriter() = default;

  // Keeps the whole contents of the regular file that `fd` has open (offset untouched), by way of
  // the per-user cache when `cacheable` (false if a task of the tree may still write to it). The
  // same contents give the same object.
  virtual Result<uint32_t> AddFile(int fd, const struct stat& status, const std::string& path,
                                   bool cacheable) = 0;
  virtual Result<uint32_t> AddBytes(ByteSpan bytes, const std::string& path) = 0;
  // A shared object that starts as the contents of blob `initial` (zeros if none).
  virtual Result<uint32_t> AddShared(uint64_t size, std::optional<uint32_t> initial,
                                     const std::string& path) = 0;
  virtual Result<uint32_t> AddImage(const Image& image) = 0;
  // Gives the event its sequence number and appends it.
  virtual uint64_t Append(Event& event) = 0;

  virtual Status health() const = 0;
  virtual TraceManifest& manifest() = 0;
  // Flushes, seals, writes the final manifest. The writer takes nothing more.
  virtual Status Finish() = 0;
  // Removes the trace: nothing was recorded (the program could not be started).
  virtual void Discard() = 0;
};

// Reads a trace, also one that is still being written or was cut short.
class TraceReader {
 public:
  // A recording goes on for as long as any of its program's processes, and so, often, for some
  // milliseconds after `retake record` has returned: its end is waited for, so many ms.
  static constexpr int kEndingRecorder = 1'000;
  static Result<std::unique_ptr<TraceReader>> Open(const std::string& path,
                                                   int patience = kEndingRecorder);
  virtual ~TraceReader() = default;

  virtual const TraceManifest& manifest() const = 0;
  // Whether a recorder was at work on it when it was opened; nullopt where that can't be known.
  virtual std::optional<bool> is_being_written() const = 0;
  virtual const ArchDescription& arch() const = 0;
  virtual const std::string& path() const = 0;
  // All objects, in the order of their index: known at Open, so that a replay can open them before
  // it starts.
  virtual const std::vector<TraceObject>& objects() const = 0;
  // Opens an object's blob read-only, its size checked; with `verify` its hash too.
  virtual Result<Fd> OpenBlob(uint32_t object, bool verify = false) const = 0;
  virtual Result<Image> ReadImage(uint32_t index) = 0;
  virtual size_t image_count() const = 0;

  enum class Next : uint8_t {
    kEvent,  // `event` holds the next one
    kEnd,    // the recording ended here, as the manifest says
    kCut,    // no more whole sections: the recorder died, or still runs, or the file is damaged
             // (cut_reason())
  };
  virtual Result<Next> ReadEvent(Event& event) = 0;
  virtual const std::string& cut_reason() const = 0;
  virtual Status Rewind() = 0;

  // For `info`.
  struct Sizes {
    uint64_t sections = 0, raw_bytes = 0, stored_bytes = 0, blobs = 0, blob_bytes = 0;
  };
  virtual Sizes sizes() const = 0;
  // Reads everything and checks every checksum and hash; the first damage found is the error.
  virtual Status Verify() = 0;
};

}  // namespace retake

#endif  // RETAKE_REPLAY_TRACE_H_
