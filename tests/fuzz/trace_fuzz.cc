// The trace reader as a whole. The input stands for a trace: a packed one, whose outer checksums
// are made right, or, if the first byte says so, the `events` of a directory with a good manifest,
// with checksums made right. All that can be read is read.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <string>

#include "archive/source.h"
#include "fuzzing.h"
#include "replay/trace.h"
#include "replay/trace_manifest.h"

namespace retake {
namespace {

void ReadEverything(const std::string& path) {
  auto trace = TraceReader::Open(path);
  if (!trace.ok()) return;
  Event event;
  uint64_t events = 0;
  while (true) {
    auto next = (*trace)->ReadEvent(event);
    if (!next.ok() || *next != TraceReader::Next::kEvent) break;
    Require(event.sequence == events, "events come in order, none left out");
    events++;
    for (const MapOp& op : event.map_ops) {
      bool uses = op.kind == MapOp::Kind::kMapBlob || op.kind == MapOp::Kind::kMapShared;
      Require(!uses || op.object < (*trace)->objects().size(), "an event's objects are there");
    }
    Require(event.kind != EventKind::kExec || event.image < (*trace)->image_count(),
            "an event's image is there");
  }
  (void)(*trace)->Verify();
}

// A directory whose manifest is good, made once and removed at the end.
class Directory {
 public:
  Directory() : path_("/tmp/retake-fuzz-XXXXXX") {
    Require(mkdtemp(path_.data()) != nullptr, "a directory can be made");
    TraceManifest manifest;
    manifest.end = TraceEnd::kComplete;
    manifest.events = 3;
    Write("manifest", AsBytes(FormatManifest(manifest)));
  }
  ~Directory() {
    unlink((path_ + "/manifest").c_str());
    unlink((path_ + "/events").c_str());
    rmdir(path_.c_str());
  }
  void Write(const std::string& name, ByteSpan bytes) {
    Fd file(open((path_ + "/" + name).c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    Require(WriteAt(file.get(), 0, bytes, name).ok(), "a file can be written");
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace
}  // namespace retake

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace retake;
  static Directory directory;
  if (size == 0) return 0;
  std::vector<uint8_t> bytes(data + 1, data + size);
  FixChecksums(bytes);
  if (data[0] % 2 == 0) {
    directory.Write("events", bytes);
    ReadEverything(directory.path());
  } else {
    Fd file(memfd_create("fuzz", MFD_CLOEXEC));
    Require(WriteAt(file.get(), 0, bytes, "fuzz").ok(), "a file can be written");
    ReadEverything(fmt::format("/proc/self/fd/{}", file.get()));
  }
  return 0;
}
