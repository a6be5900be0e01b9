// TraceReader: takes stock of the whole trace when it is opened (objects, images, where the events
// are), then reads events section by section. What it hands out has been checked: the sections'
// checksums, the events' form, that they stand in order with none missing, and that the objects and
// images they name exist. The first damage ends the trace there: what comes before it is right.
//
// A trace that is still being written is what it was when it was opened.
#include <sys/stat.h>
#include <unistd.h>

#include <set>
#include <utility>

#include "archive/archive.h"
#include "base/clock.h"
#include "replay/blob_file.h"
#include "replay/trace.h"
#include "replay/trace_files.h"
#include "replay/trace_format.h"
#include "replay/trace_manifest.h"

namespace retake {
namespace {

class Reader final : public TraceReader {
 public:
  Reader(std::string path, std::unique_ptr<TraceFiles> files)
      : path_(std::move(path)), files_(std::move(files)) {}

  Status Load(int patience);

  const TraceManifest& manifest() const override { return manifest_; }
  std::optional<bool> is_being_written() const override { return is_being_written_; }
  const ArchDescription& arch() const override { return *arch_; }
  const std::string& path() const override { return path_; }
  const std::vector<TraceObject>& objects() const override { return objects_; }
  Result<Fd> OpenBlob(uint32_t object, bool verify) const override;
  Result<Image> ReadImage(uint32_t index) override;
  size_t image_count() const override { return images_.size(); }
  Result<Next> ReadEvent(Event& event) override;
  const std::string& cut_reason() const override { return cut_reason_; }
  Status Rewind() override;
  Sizes sizes() const override;
  Status Verify() override;

 private:
  Status LoadManifest();
  // Of a trace without an end: waits, at most so many ms, for a recorder that is at work on it.
  Status AwaitRecorder(int patience);
  // Sorts the archive's records, reading the objects. False if an object's record is damaged.
  Result<bool> TakeStock();
  // Reads the next record of events; false if there is none.
  Result<bool> NextRecord();
  // After the last whole record.
  Next End();
  std::string EndReason() const;
  Next Cut(std::string reason);
  // What is wrong with an event beyond its form; empty if nothing.
  std::string Complaint(const Event& event) const;

  std::string path_;
  std::unique_ptr<TraceFiles> files_;
  TraceManifest manifest_;
  std::optional<bool> is_being_written_ = false;
  const ArchDescription* arch_ = nullptr;
  std::unique_ptr<ArchiveReader> archive_;
  std::vector<TraceObject> objects_;
  std::vector<RecordInfo> images_;
  std::vector<RecordInfo> events_;

  size_t next_record_ = 0;
  std::vector<uint8_t> record_;
  ByteReader in_{ByteSpan{}};
  EventCodecState codec_;
  uint64_t next_sequence_ = 0;
  bool cut_ = false;
  std::string cut_reason_;
};

Status Reader::Load(int patience) {
  TRY(LoadManifest());
  TRY(AwaitRecorder(patience));
  arch_ = DescriptionOf(manifest_.arch);
  std::unique_ptr<ByteSource> events = TRY(files_->OpenEvents());
  archive_ = TRY(ArchiveReader::Open(std::move(events)));
  if (archive_->content() != ArchiveContent::kEvents) {
    return MakeError("{} is not the events of a trace", archive_->source().name());
  }
  if (archive_->architecture() != static_cast<uint8_t>(manifest_.arch)) {
    return MakeError("{} is damaged: its manifest and its events are of different architectures",
                     path_);
  }
  if (manifest_.end == TraceEnd::kUnfinished && archive_->sealed()) {
    // The recorder may have finished between our two looks; if so the manifest now says how.
    TRY(LoadManifest());
  }
  bool whole = TRY(TakeStock());
  if (!whole) {
    // The index led to an object that is damaged. What comes before it can be had.
    TRY(archive_->Scan());
    whole = TRY(TakeStock());
    if (!whole) return MakeError("{} can't be read", archive_->source().name());
  }
  return Rewind();
}

Status Reader::AwaitRecorder(int patience) {
  int64_t deadline = MonotonicMilliseconds() + patience;
  while (manifest_.end == TraceEnd::kUnfinished) {
    is_being_written_ = files_->IsBeingWritten();
    // One that has just finished is at work no more.
    TRY(LoadManifest());
    if (is_being_written_ != true || MonotonicMilliseconds() >= deadline) break;
    usleep(2'000);
  }
  return {};
}

Status Reader::LoadManifest() {
  std::string text = TRY(files_->ReadManifest());
  Result<TraceManifest> manifest = ParseManifest(text, path_ + "/manifest");
  // It may be one that was being written over while we read; then it reads otherwise now.
  for (int looks = 0; !manifest.ok() && looks < 5; ++looks) {
    std::string before = std::exchange(text, TRY(files_->ReadManifest()));
    if (text == before) break;
    manifest = ParseManifest(text, path_ + "/manifest");
  }
  manifest_ = TRY(std::move(manifest));
  return {};
}

Result<bool> Reader::TakeStock() {
  objects_.clear();
  images_.clear();
  events_.clear();
  std::vector<uint8_t> bytes;
  for (const RecordInfo& record : archive_->records()) {
    if (record.kind == kImageSection) images_.push_back(record);
    if (record.kind == kEventsSection) events_.push_back(record);
    if (record.kind != kObjectsSection) continue;
    if (!archive_->Read(record, bytes).ok()) return false;
    ByteReader in(bytes);
    while (in.ok() && !in.AtEnd()) objects_.push_back(DecodeObject(in));
    TRY(in.status(fmt::format("{}: an object", path_)));
  }
  return true;
}

Result<Fd> Reader::OpenBlob(uint32_t object, bool verify) const {
  if (object >= objects_.size()) return MakeError("{} has no object {}", path_, object);
  const TraceObject& known = objects_[object];
  if (known.hash.empty()) return MakeError("object {} of {} has no blob", object, path_);
  Fd blob = TRY(files_->OpenBlob(known.hash));
  struct stat status;
  if (fstat(blob.get(), &status) != 0) return ErrnoError("can't stat blob {}", known.hash);
  // A shared object may be larger or smaller than what it starts as.
  if (known.kind == TraceObject::Kind::kBlob &&
      static_cast<uint64_t>(status.st_size) != known.size) {
    return MakeError("blob {} of {} ({}) is damaged: it has {} bytes instead of {}", known.hash,
                     path_, known.path, status.st_size, known.size);
  }
  std::string hash = verify ? TRY(HashFile(blob.get(), known.hash)) : known.hash;
  if (hash != known.hash) {
    return MakeError("blob {} of {} ({}) is damaged: its contents have another hash", known.hash,
                     path_, known.path);
  }
  return blob;
}

Result<Image> Reader::ReadImage(uint32_t index) {
  if (index >= images_.size()) return MakeError("{} has no image {}", path_, index);
  std::vector<uint8_t> bytes;
  TRY(archive_->Read(images_[index], bytes));
  Image image = TRY(DecodeImage(bytes, *arch_));
  for (const ImageMapping& mapping : image.mappings) {
    if (mapping.kind != ImageMapping::Kind::kAnonymous && mapping.object >= objects_.size()) {
      return MakeError("image {} of {} is damaged: it has no object {}", index, path_,
                       mapping.object);
    }
  }
  return image;
}

Status Reader::Rewind() {
  next_record_ = 0;
  next_sequence_ = 0;
  record_.clear();
  in_ = ByteReader(ByteSpan{});
  cut_ = false;
  cut_reason_.clear();
  return {};
}

TraceReader::Next Reader::Cut(std::string reason) {
  cut_ = true;
  cut_reason_ = std::move(reason);
  return Next::kCut;
}

Result<bool> Reader::NextRecord() {
  if (next_record_ == events_.size()) return false;
  TRY(archive_->Read(events_[next_record_], record_));
  next_record_++;
  in_ = ByteReader(record_);
  codec_.Reset();
  return true;
}

std::string Reader::EndReason() const {
  std::string archive = archive_->sealed() ? "" : "; " + archive_->cut_reason();
  if (manifest_.end == TraceEnd::kUnfinished) {
    const char* why = !is_being_written_.has_value() ? "the recorder was killed, or is at work"
                      : *is_being_written_           ? "it is still being recorded"
                                                     : "the recorder was killed";
    return why + archive;
  }
  return fmt::format("the manifest says {} events, {} can be read{}", manifest_.events,
                     next_sequence_, archive);
}

TraceReader::Next Reader::End() {
  if (manifest_.end != TraceEnd::kUnfinished && next_sequence_ == manifest_.events) {
    return Next::kEnd;
  }
  return Cut(EndReason());
}

std::string Reader::Complaint(const Event& event) const {
  if (event.sequence != next_sequence_) {
    return fmt::format("event {} stands where event {} belongs", event.sequence, next_sequence_);
  }
  if (event.kind == EventKind::kExec && event.image >= images_.size()) {
    return fmt::format("event {} needs image {}, which isn't there", event.sequence, event.image);
  }
  for (const MapOp& op : event.map_ops) {
    bool uses = op.kind == MapOp::Kind::kMapBlob || op.kind == MapOp::Kind::kMapShared;
    if (uses && op.object >= objects_.size()) {
      return fmt::format("event {} needs object {}, which isn't there", event.sequence, op.object);
    }
  }
  return {};
}

Result<TraceReader::Next> Reader::ReadEvent(Event& event) {
  if (cut_) return Next::kCut;
  while (in_.AtEnd()) {
    Result<bool> more = NextRecord();
    if (!more.ok()) return Cut(more.error().Message());
    if (!*more) return End();
  }
  Status decoded = DecodeEvent(in_, *arch_, codec_, event);
  if (!decoded.ok())
    return Cut(fmt::format("after event {}: {}", next_sequence_, decoded.error().Message()));
  std::string complaint = Complaint(event);
  if (!complaint.empty()) {
    event.Clear();
    return Cut(std::move(complaint));
  }
  next_sequence_++;
  return Next::kEvent;
}

TraceReader::Sizes Reader::sizes() const {
  Sizes sizes;
  for (const SectionInfo& section : archive_->sections()) {
    sizes.sections++;
    sizes.raw_bytes += section.raw_size;
    sizes.stored_bytes += section.stored_size + kSectionHeaderBytes;
  }
  std::set<std::string> seen;
  for (const TraceObject& object : objects_) {
    if (object.hash.empty() || !seen.insert(object.hash).second) continue;
    sizes.blobs++;
    if (object.kind == TraceObject::Kind::kBlob) sizes.blob_bytes += object.size;
  }
  return sizes;
}

Status Reader::Verify() {
  TRY(files_->Verify());
  std::vector<uint8_t> bytes;
  for (const RecordInfo& record : archive_->records()) TRY(archive_->Read(record, bytes));
  for (uint32_t i = 0; i < objects_.size(); i++) {
    if (!objects_[i].hash.empty()) TRY(OpenBlob(i, /*verify=*/true));
  }
  for (uint32_t i = 0; i < images_.size(); i++) TRY(ReadImage(i));
  TRY(Rewind());
  Event event;
  Next next;
  while ((next = TRY(ReadEvent(event))) == Next::kEvent) {
  }
  std::string reason = cut_reason_;
  TRY(Rewind());
  bool sealed = archive_->sealed() || manifest_.end != TraceEnd::kComplete;
  if (archive_->damaged() || !sealed) {
    return MakeError("{} is damaged: {}", archive_->source().name(), archive_->cut_reason());
  }
  // A recording whose recorder was killed is whole as far as it goes.
  if (next == Next::kCut && (manifest_.end != TraceEnd::kUnfinished || reason != EndReason())) {
    return MakeError("{} is damaged: {}", path_, reason);
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<TraceReader>> TraceReader::Open(const std::string& path, int patience) {
  std::unique_ptr<TraceFiles> files = TRY(TraceFiles::Open(path));
  auto reader = std::make_unique<Reader>(path, std::move(files));
  TRY(reader->Load(patience));
  return Result<std::unique_ptr<TraceReader>>(std::move(reader));
}

}  // namespace retake
