// Packed traces. The archive holds, for each file, a record with its name and size, then its
// contents in pieces. Names are of a closed set (manifest, events, blobs/HASH), so that a hostile
// file can't be unpacked outside its directory. `events` is compressed already and is stored; its
// pieces can be read at any offset, so a packed trace is replayed without being unpacked.
#include "replay/trace_pack.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <map>

#include "archive/archive.h"
#include "base/features.h"
#include "replay/blob_file.h"
#include "replay/trace_files.h"
#include "replay/trace_format.h"
#include "replay/trace_manifest.h"
#include "replay/trace_store.h"

// Linux 6.3, include/uapi/linux/memfd.h; Debian 12's headers are older.
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif

namespace retake {
namespace {

namespace fs = std::filesystem;

constexpr uint16_t kFileSection = 16;      // begins a file: its name and its size
constexpr uint16_t kContentsSection = 17;  // the next piece of it
constexpr size_t kPiece = size_t{1} << 20;
constexpr int kPackLevel = 3;  // packing is rare, and what is packed is often sent

// Whether a trace has files of this name: manifest, events, blobs/HASH.
bool IsTraceFileName(const std::string& name) {
  constexpr std::string_view kBlobs = "blobs/";
  if (name == kManifestName || name == kEventsName) return true;
  return name.starts_with(kBlobs) && IsBlobName(std::string_view(name).substr(kBlobs.size()));
}

std::string BlobPath(const std::string& hash) { return fmt::format("{}/{}", kBlobsName, hash); }

// --- Reading

struct PackedFile {
  uint64_t size = 0;              // bytes
  std::vector<uint64_t> offsets;  // of each piece in the file
  std::vector<RecordInfo> pieces;
};

class Pack {
 public:
  static Result<std::shared_ptr<Pack>> Open(Fd file, const std::string& path);

  const std::string& path() const { return path_; }
  const std::map<std::string, PackedFile>& files() const { return files_; }
  Result<const PackedFile*> Find(const std::string& name) const {
    auto found = files_.find(name);
    if (found == files_.end()) return MakeError("{} has no {}", path_, name);
    return &found->second;
  }
  // Gives `use` the file's contents, piece by piece.
  template <typename Use>
  Status ForEachPiece(const PackedFile& file, const Use& use) {
    std::vector<uint8_t> bytes;
    for (size_t i = 0; i < file.pieces.size(); i++) {
      TRY(archive_->Read(file.pieces[i], bytes, kMaxSectionBytes));
      TRY(use(file.offsets[i], ByteSpan(bytes)));
    }
    return {};
  }
  Status ReadPiece(const PackedFile& file, size_t piece, std::vector<uint8_t>& bytes) {
    return archive_->Read(file.pieces[piece], bytes, kMaxSectionBytes);
  }
  uint8_t architecture() const { return archive_->architecture(); }

 private:
  explicit Pack(std::string path) : path_(std::move(path)) {}
  Status TakeStock();

  std::string path_;
  std::unique_ptr<ArchiveReader> archive_;
  std::map<std::string, PackedFile> files_;
};

Result<std::shared_ptr<Pack>> Pack::Open(Fd file, const std::string& path) {
  std::shared_ptr<Pack> pack(new Pack(path));
  pack->archive_ = TRY(ArchiveReader::Open(std::make_unique<FileSource>(std::move(file), path)));
  if (pack->archive_->content() != ArchiveContent::kPackedTrace) {
    return MakeError("{} is not a packed trace", path);
  }
  if (!pack->archive_->sealed()) {
    return MakeError("{} is cut short or damaged ({}): pack the trace again", path,
                     pack->archive_->cut_reason());
  }
  TRY(pack->TakeStock());
  return pack;
}

Status Pack::TakeStock() {
  PackedFile* current = nullptr;
  uint64_t filled = 0;
  auto whole = [&] { return current == nullptr || filled == current->size; };
  Error damaged = MakeError("{} is damaged: its list of files makes no sense", path_);
  std::vector<uint8_t> bytes;
  for (const RecordInfo& record : archive_->records()) {
    if (record.kind == kFileSection) {
      if (!whole()) return damaged;
      TRY(archive_->Read(record, bytes, 4096));
      ByteReader in(bytes);
      std::string name = in.Text();
      uint64_t size = in.Varint();
      if (!in.ok() || !IsTraceFileName(name) || files_.contains(name)) return damaged;
      current = &files_[name];
      current->size = size;
      filled = 0;
    } else if (record.kind == kContentsSection) {
      if (current == nullptr || record.sections != 1 || record.raw_size == 0 ||
          record.raw_size > current->size - filled) {
        return damaged;
      }
      current->offsets.push_back(filled);
      current->pieces.push_back(record);
      filled += record.raw_size;
    }
  }
  if (!whole()) return damaged;
  return {};
}

// A packed file as something to read at any offset. Keeps the last piece, since `events` is read
// from its beginning to its end.
class PackedSource final : public ByteSource {
 public:
  PackedSource(std::shared_ptr<Pack> pack, const PackedFile& file, const std::string& name)
      : pack_(std::move(pack)), file_(file), name_(pack_->path() + ":" + name) {}

  Result<uint64_t> Size() const override { return file_.size; }
  const std::string& name() const override { return name_; }

  Result<size_t> ReadAt(uint64_t offset, std::span<uint8_t> buffer) const override {
    size_t done = 0;
    while (done < buffer.size() && offset < file_.size) {
      size_t piece = std::upper_bound(file_.offsets.begin(), file_.offsets.end(), offset) -
                     file_.offsets.begin() - 1;
      if (piece != cached_) {
        cached_ = kNone;
        TRY(pack_->ReadPiece(file_, piece, bytes_));
        cached_ = piece;
      }
      size_t begin = offset - file_.offsets[piece];
      size_t size = std::min(bytes_.size() - begin, buffer.size() - done);
      std::copy_n(bytes_.begin() + static_cast<ptrdiff_t>(begin), size,
                  buffer.begin() + static_cast<ptrdiff_t>(done));
      done += size;
      offset += size;
    }
    return done;
  }

 private:
  static constexpr size_t kNone = SIZE_MAX;

  std::shared_ptr<Pack> pack_;
  const PackedFile& file_;
  std::string name_;
  mutable size_t cached_ = kNone;
  mutable std::vector<uint8_t> bytes_;
};

// An unnamed file to hold a blob's contents.
Result<Fd> UnnamedFile() {
  if (MayUse(Feature::kMemfd)) {
    Fd file(memfd_create("retake-blob", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    // With vm.memfd_noexec=2 the kernel wants the flag; mapping the file as code works all the
    // same.
    if (!file) file = Fd(memfd_create("retake-blob", MFD_CLOEXEC | MFD_NOEXEC_SEAL));
    if (file) return file;
  }
  const char* directory = getenv("TMPDIR");
  std::string base = directory == nullptr ? "/tmp" : directory;
  Fd file(open(base.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (file) return file;
  std::string pattern = base + "/retake-blob-XXXXXX";
  file = Fd(mkostemp(pattern.data(), O_CLOEXEC));
  if (!file) return ErrnoError("can't make a file in {}", base);
  unlink(pattern.c_str());
  return file;
}

class PackedTrace final : public TraceFiles {
 public:
  explicit PackedTrace(std::shared_ptr<Pack> pack) : pack_(std::move(pack)) {}

  Result<std::string> ReadManifest() const override {
    const PackedFile* file = TRY(pack_->Find(kManifestName));
    if (file->size > kMaxManifestBytes) {
      return MakeError("the manifest of {} is larger than it can be", pack_->path());
    }
    std::string text;
    TRY(pack_->ForEachPiece(*file, [&](uint64_t, ByteSpan bytes) {
      text.append(bytes.begin(), bytes.end());
      return Status();
    }));
    return text;
  }

  Result<std::unique_ptr<ByteSource>> OpenEvents() const override {
    const PackedFile* file = TRY(pack_->Find(kEventsName));
    return Result<std::unique_ptr<ByteSource>>(
        std::make_unique<PackedSource>(pack_, *file, kEventsName));
  }

  Result<Fd> OpenBlob(const std::string& hash) const override {
    const PackedFile* file = TRY(pack_->Find(BlobPath(hash)));
    Fd blob = TRY(UnnamedFile());
    std::string name = fmt::format("blob {} of {}", hash, pack_->path());
    TRY(pack_->ForEachPiece(*file, [&](uint64_t offset, ByteSpan bytes) {
      return WriteSparse(blob.get(), offset, bytes, name);
    }));
    if (ftruncate(blob.get(), static_cast<off_t>(file->size)) != 0) {
      return ErrnoError("can't write {}", name);
    }
    // Where it is a memfd: what maps it must not be able to change it.
    fcntl(blob.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL);
    Fd read_only(open(fmt::format("/proc/self/fd/{}", blob.get()).c_str(), O_RDONLY | O_CLOEXEC));
    if (!read_only) return ErrnoError("can't open {}", name);
    return read_only;
  }

  Status Verify() const override {
    for (const auto& [name, file] : pack_->files()) {
      TRY(pack_->ForEachPiece(file, [](uint64_t, ByteSpan) { return Status(); }));
    }
    return {};
  }

 private:
  std::shared_ptr<Pack> pack_;
};

// --- Packing

class Packer {
 public:
  explicit Packer(std::unique_ptr<ArchiveWriter> archive) : archive_(std::move(archive)) {}

  Status Add(const std::string& name, ByteSpan contents) {
    TRY(Begin(name, contents.size()));
    return archive_->Append(kContentsSection, contents, kPackLevel);
  }
  Status AddSource(const std::string& name, const ByteSource& source, int level) {
    uint64_t size = TRY(source.Size());
    TRY(Begin(name, size));
    std::vector<uint8_t> piece;
    for (uint64_t offset = 0; offset < size; offset += piece.size()) {
      piece.resize(std::min<uint64_t>(kPiece, size - offset));
      if (TRY(source.ReadAt(offset, piece)) < piece.size()) {
        return MakeError("{} became shorter while it was packed", source.name());
      }
      TRY(archive_->Append(kContentsSection, piece, level));
    }
    return {};
  }
  Status Finish() { return archive_->Seal(); }

 private:
  Status Begin(const std::string& name, uint64_t size) {
    ByteWriter entry;
    entry.Text(name);
    entry.Varint(size);
    return archive_->Append(kFileSection, entry.bytes(), kStoreOnly);
  }

  std::unique_ptr<ArchiveWriter> archive_;
};

Result<std::vector<std::string>> BlobNames(const std::string& directory) {
  std::vector<std::string> names;
  std::error_code error;
  fs::directory_iterator entry(directory + "/" + kBlobsName, error);
  for (fs::directory_iterator end; !error && entry != end; entry.increment(error)) {
    std::string name = entry->path().filename().string();
    if (IsBlobName(name)) names.push_back(std::move(name));
  }
  if (error && error.value() != ENOENT) {
    return Error(error.value(), fmt::format("can't list the blobs of {}", directory));
  }
  std::sort(names.begin(), names.end());
  return names;
}

Status PackInto(const TraceFiles& trace, const std::string& manifest, uint8_t architecture,
                const std::string& directory, Fd file, const std::string& name) {
  auto archive =
      TRY(ArchiveWriter::Create(std::move(file), name, ArchiveContent::kPackedTrace, architecture));
  Packer packer(std::move(archive));
  TRY(packer.Add(kManifestName, AsBytes(manifest)));
  std::unique_ptr<ByteSource> events = TRY(trace.OpenEvents());
  TRY(packer.AddSource(kEventsName, *events, kStoreOnly));
  std::vector<std::string> blobs = TRY(BlobNames(directory));
  for (const std::string& hash : blobs) {
    Fd blob = TRY(trace.OpenBlob(hash));
    FileSource source(std::move(blob), directory + "/" + BlobPath(hash));
    TRY(packer.AddSource(BlobPath(hash), source, kPackLevel));
  }
  return packer.Finish();
}

// --- Unpacking

Status UnpackFile(Pack& pack, const std::string& name, const PackedFile& file, int directory) {
  Fd out(openat(directory, name.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!out) return ErrnoError("can't make {}", name);
  TRY(pack.ForEachPiece(file, [&](uint64_t offset, ByteSpan bytes) {
    return WriteSparse(out.get(), offset, bytes, name);
  }));
  if (ftruncate(out.get(), static_cast<off_t>(file.size)) != 0) {
    return ErrnoError("can't write {}", name);
  }
  std::string hash = name.substr(name.find('/') + 1);
  if (!IsBlobName(hash)) return {};
  std::string found = TRY(HashFile(out.get(), name));
  if (found != hash) return MakeError("{} is damaged: {} has another hash", pack.path(), name);
  return {};
}

Status UnpackInto(Pack& pack, int directory) {
  bool blobs_made = false;
  for (const auto& [name, file] : pack.files()) {
    if (name.find('/') != std::string::npos && !blobs_made) {
      if (mkdirat(directory, kBlobsName, 0700) != 0) return ErrnoError("can't make {}", kBlobsName);
      blobs_made = true;
    }
    TRY(UnpackFile(pack, name, file, directory));
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<TraceFiles>> OpenPackedTrace(Fd file, const std::string& path) {
  std::shared_ptr<Pack> pack = TRY(Pack::Open(std::move(file), path));
  return Result<std::unique_ptr<TraceFiles>>(std::make_unique<PackedTrace>(std::move(pack)));
}

Status PackTrace(const std::string& directory, const std::string& file) {
  struct stat status;
  if (stat(directory.c_str(), &status) == 0 && S_ISREG(status.st_mode)) {
    return MakeError("{} is a file: only a trace's directory can be packed", directory);
  }
  std::unique_ptr<TraceFiles> trace = TRY(TraceFiles::Open(directory));
  std::string text = TRY(trace->ReadManifest());
  TraceManifest manifest = TRY(ParseManifest(text, directory + "/manifest"));
  Fd out(open(file.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!out) return ErrnoError("can't make {}", file);
  Status packed =
      PackInto(*trace, text, static_cast<uint8_t>(manifest.arch), directory, std::move(out), file);
  if (!packed.ok()) unlink(file.c_str());
  return packed;
}

Status UnpackTrace(const std::string& file, const std::string& directory) {
  Fd in = TRY(OpenRegularFile(file));
  std::shared_ptr<Pack> pack = TRY(Pack::Open(std::move(in), file));
  TRY(pack->Find(kManifestName));
  bool existed = access(directory.c_str(), F_OK) == 0;
  TRY(PrepareTraceDirectory(directory));
  Fd out(open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!out) return ErrnoError("can't open {}", directory);
  Status unpacked = UnpackInto(*pack, out.get());
  if (!unpacked.ok()) {
    std::error_code ignored;
    for (const char* name : {kManifestName, kEventsName, kBlobsName}) {
      fs::remove_all(fs::path(directory) / name, ignored);
    }
    if (!existed) fs::remove(directory, ignored);
  }
  return unpacked;
}

}  // namespace retake
