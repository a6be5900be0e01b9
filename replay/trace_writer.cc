// TraceWriter: encodes on the tracer thread, which costs about as much as copying, and leaves
// everything else to TraceBackground.
//
// Order on disk: a blob before the object that names it, an object or image before the events that
// use it. Both come from one queue worked off in order, and events join the queue only when their
// section is closed, so what was added before an event always stands before it.
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <filesystem>
#include <unordered_map>

#include "archive/archive.h"
#include "archive/source.h"
#include "replay/blob_cache.h"
#include "replay/blob_file.h"
#include "replay/trace.h"
#include "replay/trace_background.h"
#include "replay/trace_format.h"
#include "replay/trace_manifest.h"

namespace retake {
namespace {

class Writer final : public TraceWriter {
 public:
  Writer(std::string directory, Fd directory_fd, TraceManifest manifest, TraceWriterOptions options)
      : directory_(std::move(directory)),
        directory_fd_(std::move(directory_fd)),
        manifest_(std::move(manifest)),
        options_(options),
        arch_(*DescriptionOf(manifest_.arch)) {}
  ~Writer() override { Close(); }

  Status Start();

  Result<uint32_t> AddFile(int fd, const struct stat& status, const std::string& path,
                           bool cacheable) override;
  Result<uint32_t> AddBytes(ByteSpan bytes, const std::string& path) override;
  Result<uint32_t> AddShared(uint64_t size, std::optional<uint32_t> initial,
                             const std::string& path) override;
  Result<uint32_t> AddImage(const Image& image) override;
  uint64_t Append(Event& event) override;

  Status health() const override { return background_->health(); }
  TraceManifest& manifest() override { return manifest_; }
  Status Finish() override;
  void Discard() override;

 private:
  // The trace's blob directory; made when first needed, by either thread.
  Result<int> Blobs();
  // Keeps the contents of `fd` in the trace, by way of the cache where possible.
  Result<BlobCopy> Keep(int fd, const struct stat& status, const std::string& path, bool cacheable);
  uint32_t AddObject(TraceObject object);
  std::optional<uint32_t> FindBlob(const std::string& hash) const;
  void Remember(const std::string& hash, uint32_t index) { by_hash_.emplace(hash, index); }
  // Takes the open section's events; empty if there are none. Called under events_mutex_.
  SectionJob TakeEvents();
  // Flushes and ends the thread.
  void Close();
  Result<Fd> WriteManifest(const char* name, std::string_view text);
  // Writes the manifest anew: in place if nobody can see it half-written, else aside and by rename;
  // where the disk has no room for a second one, in place too.
  Status ReplaceManifest();
  // Only if it needs no more room than the old one has: it must not be lost.
  bool OverwriteManifest(std::string_view text);
  std::string PathOf(const char* name) const { return directory_ + "/" + name; }

  const std::string directory_;
  Fd directory_fd_;
  TraceManifest manifest_;
  Fd manifest_file_;
  size_t manifest_size_ = 0;
  const TraceWriterOptions options_;
  const ArchDescription& arch_;

  std::mutex blobs_mutex_;
  Fd blobs_;

  std::unique_ptr<BlobCache> cache_;
  std::unordered_map<std::string, uint32_t> by_identity_;  // settled files seen in this run
  std::unordered_map<std::string, uint32_t> by_hash_;
  std::vector<TraceObject> objects_;
  uint32_t images_ = 0;
  uint64_t next_sequence_ = 0;
  bool finished_ = false;

  std::mutex events_mutex_;  // contended once per section
  ByteWriter events_;
  uint64_t events_in_section_ = 0;
  EventCodecState codec_;

  std::unique_ptr<TraceBackground> background_;
};

Status Writer::Start() {
  if (manifest_.retake_version.empty()) manifest_.retake_version = RETAKE_VERSION;
  manifest_.end = TraceEnd::kUnfinished;
  Fd events(openat(directory_fd_.get(), kEventsName, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!events) return ErrnoError("can't make {}", PathOf(kEventsName));
  // Held as long as this process lives: tells readers that there is more to come. A file system
  // that has no locks leaves them in doubt.
  (void)flock(events.get(), LOCK_EX | LOCK_NB);
  cache_ = BlobCache::Open();
  TraceBackground::Setup setup;
  setup.events =
      TRY(ArchiveWriter::Create(std::move(events), PathOf(kEventsName), ArchiveContent::kEvents,
                                static_cast<uint8_t>(manifest_.arch)));
  // Last, and by rename, so that a directory with a manifest is a trace that can be read, whenever
  // the recorder is killed.
  TRY(ReplaceManifest());
  setup.cache_blobs = cache_ ? cache_->blobs() : -1;
  setup.blobs = [this] { return Blobs(); };
  setup.compression_level = options_.compression_level;
  setup.period = std::chrono::milliseconds(options_.section_milliseconds);
  setup.avoid_cpu = manifest_.cpu;
  setup.collect = [this] {
    std::lock_guard lock(events_mutex_);
    if (events_in_section_ > 0) background_->PushAtOnce(TakeEvents());
  };
  background_ = std::make_unique<TraceBackground>(std::move(setup));
  return {};
}

Result<int> Writer::Blobs() {
  std::lock_guard lock(blobs_mutex_);
  if (!blobs_) {
    if (mkdirat(directory_fd_.get(), kBlobsName, 0700) != 0 && errno != EEXIST) {
      return ErrnoError("can't make {}", PathOf(kBlobsName));
    }
    blobs_ = Fd(
        openat(directory_fd_.get(), kBlobsName, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!blobs_) return ErrnoError("can't open {}", PathOf(kBlobsName));
  }
  return blobs_.get();
}

std::optional<uint32_t> Writer::FindBlob(const std::string& hash) const {
  auto found = by_hash_.find(hash);
  if (found == by_hash_.end()) return std::nullopt;
  return found->second;
}

uint32_t Writer::AddObject(TraceObject object) {
  ByteWriter encoded;
  EncodeObject(object, encoded);
  background_->Push(SectionJob{kObjectsSection, encoded.Take(), 0});
  objects_.push_back(std::move(object));
  return static_cast<uint32_t>(objects_.size() - 1);
}

Result<BlobCopy> Writer::Keep(int fd, const struct stat& status, const std::string& path,
                              bool cacheable) {
  if (cacheable && cache_) {
    std::optional<BlobCopy> known = cache_->Find(status);
    if (known) return std::move(*known);
    Result<BlobCopy> stored = cache_->Store(fd, status, path);
    if (stored.ok()) return stored;
    // A cache that can't be written to is no reason not to record.
  }
  int blobs = TRY(Blobs());
  BlobCopy copy = TRY(CopyIntoBlobs(fd, blobs, path));
  copy.file.Reset();  // it is in the trace already
  return copy;
}

Result<uint32_t> Writer::AddFile(int fd, const struct stat& status, const std::string& path,
                                 bool cacheable) {
  TRY(health());
  cacheable = cacheable && IsSettled(status);
  std::string identity;
  if (cacheable) {
    identity = FileIdentity(status);
    auto known = by_identity_.find(identity);
    if (known != by_identity_.end()) return known->second;
  }
  Result<BlobCopy> kept = Keep(fd, status, path, cacheable);
  if (!kept.ok()) {
    background_->Fail(kept.error());
    return kept.TakeError();
  }
  std::optional<uint32_t> index = FindBlob(kept->hash);
  if (!index) {
    if (kept->file) background_->Push(LinkBlobJob{kept->hash, std::move(kept->file)});
    index = AddObject({TraceObject::Kind::kBlob, kept->hash, kept->size, path});
    Remember(kept->hash, *index);
  }
  if (cacheable) by_identity_.emplace(std::move(identity), *index);
  return *index;
}

Result<uint32_t> Writer::AddBytes(ByteSpan bytes, const std::string& path) {
  TRY(health());
  std::string hash = BlobHash(bytes);
  if (std::optional<uint32_t> known = FindBlob(hash)) return *known;
  background_->Push(WriteBlobJob{hash, {bytes.begin(), bytes.end()}});
  uint32_t index = AddObject({TraceObject::Kind::kBlob, hash, bytes.size(), path});
  Remember(hash, index);
  return index;
}

Result<uint32_t> Writer::AddShared(uint64_t size, std::optional<uint32_t> initial,
                                   const std::string& path) {
  TRY(health());
  TraceObject object{TraceObject::Kind::kShared, {}, size, path};
  if (initial) {
    if (*initial >= objects_.size()) return MakeError("no object {} to share", *initial);
    object.hash = objects_[*initial].hash;
  }
  return AddObject(std::move(object));
}

Result<uint32_t> Writer::AddImage(const Image& image) {
  TRY(health());
  ByteWriter encoded;
  EncodeImage(image, arch_, encoded);
  background_->Push(SectionJob{kImageSection, encoded.Take(), 0});
  return images_++;
}

SectionJob Writer::TakeEvents() {
  SectionJob job{kEventsSection, events_.Take(), events_in_section_};
  events_in_section_ = 0;
  codec_.Reset();
  return job;
}

uint64_t Writer::Append(Event& event) {
  event.sequence = next_sequence_++;
  if (background_->failed()) return event.sequence;
  std::unique_lock lock(events_mutex_);
  EncodeEvent(event, arch_, codec_, events_);
  bool first = events_in_section_++ == 0;
  if (events_.size() >= options_.section_bytes) {
    // Queued under the lock, or the thread could take and queue the next events first. It can wait
    // for room, but not for the thread: that takes the lock only when the queue is empty.
    background_->Push(TakeEvents());
  } else if (first) {
    lock.unlock();
    background_->WakeLater();
  }
  return event.sequence;
}

void Writer::Close() {
  if (!background_ || finished_) return;
  finished_ = true;
  {
    std::lock_guard lock(events_mutex_);
    if (events_in_section_ > 0) background_->PushAtOnce(TakeEvents());
  }
  background_->Stop();
}

Result<Fd> Writer::WriteManifest(const char* name, std::string_view text) {
  Fd file(openat(directory_fd_.get(), name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!file) return ErrnoError("can't make {}", PathOf(name));
  Status written = WriteAt(file.get(), 0, AsBytes(text), PathOf(name));
  if (written.ok()) return file;
  unlinkat(directory_fd_.get(), name, 0);
  return written.TakeError();
}

Status Writer::ReplaceManifest() {
  std::string text = FormatManifest(manifest_, kManifestBytes);
  // To make a file is dear where many have been removed of late (ext4 looks for an inode that
  // wasn't): only where the new one may be seen half-written.
  if (text.size() == kManifestBytes && manifest_size_ == kManifestBytes)
    return WriteAt(manifest_file_.get(), 0, AsBytes(text), PathOf(kManifestName));
  constexpr const char* kNewManifest = "manifest.new";
  Result<Fd> file = WriteManifest(kNewManifest, text);
  if (!file.ok()) return OverwriteManifest(text) ? Status() : file.TakeError();
  // A file that replaces another is written to the disk first by some file systems, which takes
  // longer than all else here; one that changes places with another isn't.
  int directory = directory_fd_.get();
  if (renameat2(directory, kNewManifest, directory, kManifestName, RENAME_EXCHANGE) == 0) {
    unlinkat(directory, kNewManifest, 0);
  } else if (renameat(directory, kNewManifest, directory, kManifestName) != 0) {
    return ErrnoError("can't replace {}", PathOf(kManifestName));
  }
  manifest_file_ = file.TakeValue();
  manifest_size_ = text.size();
  return {};
}

bool Writer::OverwriteManifest(std::string_view text) {
  struct stat status;
  if (!manifest_file_ || fstat(manifest_file_.get(), &status) != 0) return false;
  constexpr uint64_t kBlock = 512;  // the unit of st_blocks, stat(2)
  if (text.size() > static_cast<uint64_t>(status.st_blocks) * kBlock) return false;
  return WriteAt(manifest_file_.get(), 0, AsBytes(text), PathOf(kManifestName)).ok() &&
         ftruncate(manifest_file_.get(), static_cast<off_t>(text.size())) == 0;
}

Status Writer::Finish() {
  Close();
  if (!background_->failed()) {
    Status sealed = background_->events().Seal();
    if (!sealed.ok()) background_->Fail(sealed.TakeError());
  }
  Status health = background_->health();
  manifest_.events = background_->events_written();
  if (!health.ok()) {
    manifest_.end = TraceEnd::kStopped;
    manifest_.reason = health.error().Message();
  }
  Status written = ReplaceManifest();
  return health.ok() ? written : health;
}

void Writer::Discard() {
  finished_ = true;
  background_->Stop();
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

}  // namespace

Result<std::unique_ptr<TraceWriter>> TraceWriter::Create(std::string directory,
                                                         TraceManifest manifest,
                                                         TraceWriterOptions options) {
  if (DescriptionOf(manifest.arch) == nullptr) {
    return MakeError("no such architecture: {}", static_cast<int>(manifest.arch));
  }
  Fd fd(open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return ErrnoError("can't open {}", directory);
  auto writer =
      std::make_unique<Writer>(std::move(directory), std::move(fd), std::move(manifest), options);
  TRY(writer->Start());
  return Result<std::unique_ptr<TraceWriter>>(std::move(writer));
}

}  // namespace retake
