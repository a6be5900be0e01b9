#include "snapshot/checkpoint_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

namespace retake {
namespace {

const uint64_t kPageSize = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));

// A whole checkpoint's image without its pages: more is damage.
constexpr uint64_t kMaxImageBytes = uint64_t{1} << 30;

// In which pages are looked for if they aren't compressed.
constexpr uint64_t kUncompressedUnit = 64 << 10;

std::string DirectoryOf(const std::string& path) {
  size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

void AddRange(PageRange range, std::vector<PageRange>& ranges) {
  if (!ranges.empty()) {
    PageRange& last = ranges.back();
    bool follows = last.start + last.size == range.start && last.block == range.block &&
                   (range.block == kZeroBlock || last.offset + last.size == range.offset);
    if (follows) {
      last.size += range.size;
      return;
    }
  }
  ranges.push_back(range);
}

}  // namespace

Result<std::unique_ptr<CheckpointWriter>> CheckpointWriter::Create(const std::string& path,
                                                                   const Options& options) {
  std::unique_ptr<CheckpointWriter> writer(new CheckpointWriter(path, options));
  TRY(writer->Open());
  return writer;
}

CheckpointWriter::CheckpointWriter(std::string path, Options options)
    : path_(std::move(path)),
      options_(options),
      unit_(options.level == kStoreOnly ? std::max(kPageSize, kUncompressedUnit) : kPageSize) {}

CheckpointWriter::~CheckpointWriter() {
  if (!temporary_.empty()) unlinkat(directory_.get(), temporary_.c_str(), 0);
}

Status CheckpointWriter::Open() {
  std::string directory = DirectoryOf(path_);
  directory_.Reset(open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory_) return ErrnoError("can't open the directory {}", directory);
  struct stat status {};
  if (stat(path_.c_str(), &status) == 0 && !S_ISREG(status.st_mode))
    return MakeError("{} exists and isn't a regular file", path_);
  Fd file(openat(directory_.get(), ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (!file) {
    temporary_ = fmt::format(".retake-checkpoint-{}", getpid());
    file.Reset(
        openat(directory_.get(), temporary_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (!file) {
      Error error = ErrnoError("can't make a file in {}", directory);
      temporary_.clear();
      return error;
    }
  }
  archive_ = TRY(ArchiveWriter::Create(std::move(file), path_, ArchiveContent::kCheckpoint,
                                       static_cast<uint8_t>(HostArch().id)));
  packer_ = std::make_unique<BlockPacker>(*archive_, kPagesRecord, options_.level);
  return {};
}

std::vector<PageUnit> CheckpointWriter::Divide(ByteSpan pages) const {
  std::vector<PageUnit> units;
  units.reserve(pages.size() / unit_ + 1);
  while (!pages.empty()) {
    PageUnit unit{.size = static_cast<uint32_t>(kPageSize), .zero = IsZero(pages.first(kPageSize))};
    if (!unit.zero) {
      size_t most = std::min(unit_, pages.size());
      while (unit.size < most && !IsZero(pages.subspan(unit.size, kPageSize)))
        unit.size += static_cast<uint32_t>(kPageSize);
      unit.hash = HashOf128(pages.first(unit.size));
    }
    units.push_back(unit);
    pages = pages.subspan(unit.size);
  }
  return units;
}

Status CheckpointWriter::AddPages(uint64_t start, ByteSpan pages, std::span<const PageUnit> units,
                                  bool skip_zeros, std::vector<PageRange>& ranges) {
  for (const PageUnit& unit : units) {
    KnownUnits::Place place;
    if (!unit.zero) place = TRY(Keep(unit, pages.first(unit.size)));
    if (!unit.zero || !skip_zeros) AddRange({start, unit.size, place.block, place.offset}, ranges);
    pages = pages.subspan(unit.size);
    start += unit.size;
  }
  return {};
}

Result<KnownUnits::Place> CheckpointWriter::Keep(const PageUnit& unit, ByteSpan bytes) {
  if (block_.size() + bytes.size() > kPageBlockBytes) TRY(FlushBlock());
  auto [place, is_new] =
      known_.TryEmplace(unit.hash, {blocks_, static_cast<uint32_t>(block_.size())});
  if (is_new) {
    if (block_.capacity() == 0) block_.reserve(kPageBlockBytes);
    block_.insert(block_.end(), bytes.begin(), bytes.end());
  }
  return place;
}

Status CheckpointWriter::FlushBlock() {
  if (block_.empty()) return {};
  TRY(packer_->Add(block_));
  ++blocks_;
  return {};
}

Result<uint64_t> CheckpointWriter::Finish(const CheckpointImage& image) {
  TRY(FlushBlock());
  TRY(packer_->Finish());
  ByteWriter bytes;
  EncodeFields(image, bytes);
  TRY(archive_->Append(kImageRecord, bytes.bytes(),
                       options_.level == kStoreOnly ? 1 : options_.level));
  TRY(archive_->Seal());
  if (options_.sync && fsync(archive_->fd()) != 0)
    return ErrnoError("can't write {} to disk", path_);
  TRY(Publish());
  struct stat status {};
  if (fstat(archive_->fd(), &status) != 0) return ErrnoError("can't look at {}", path_);
  return static_cast<uint64_t>(status.st_size);
}

Status CheckpointWriter::Publish() {
  std::string own = fmt::format("/proc/self/fd/{}", archive_->fd());
  if (temporary_.empty()) {
    // A link replaces nothing: where there is a file of that name, the new one takes its place in a
    // second step.
    if (linkat(AT_FDCWD, own.c_str(), AT_FDCWD, path_.c_str(), AT_SYMLINK_FOLLOW) == 0) {
      if (options_.sync) fsync(directory_.get());
      return {};
    }
    if (errno != EEXIST) return ErrnoError("can't give {} its name", path_);
    std::string name = fmt::format(".retake-checkpoint-{}", getpid());
    if (linkat(AT_FDCWD, own.c_str(), directory_.get(), name.c_str(), AT_SYMLINK_FOLLOW) != 0)
      return ErrnoError("can't give {} a name", path_);
    temporary_ = name;
  }
  if (renameat(directory_.get(), temporary_.c_str(), AT_FDCWD, path_.c_str()) != 0)
    return ErrnoError("can't give {} its name", path_);
  temporary_.clear();
  if (options_.sync) fsync(directory_.get());
  return {};
}

Result<std::unique_ptr<CheckpointReader>> CheckpointReader::Open(const std::string& path) {
  std::unique_ptr<CheckpointReader> reader(new CheckpointReader());
  TRY(reader->Load(path));
  return reader;
}

Status CheckpointReader::Load(const std::string& path) {
  Fd file = TRY(OpenRegularFile(path));
  fd_ = file.get();
  archive_ = TRY(ArchiveReader::Open(std::make_unique<FileSource>(std::move(file), path)));
  if (archive_->content() != ArchiveContent::kCheckpoint)
    return MakeError("{} is a trace, not a checkpoint: `retake replay` takes it", path);
  arch_ = DescriptionOf(static_cast<ArchId>(archive_->architecture()));
  if (arch_ == nullptr) {
    return MakeError("{} is damaged: it names an architecture {} that doesn't exist", path,
                     archive_->architecture());
  }
  if (!archive_->sealed()) {
    return MakeError(
        "{} is not a whole checkpoint: {}", path,
        archive_->cut_reason().empty() ? "it was never finished" : archive_->cut_reason());
  }
  const RecordInfo* image = nullptr;
  for (const RecordInfo& record : archive_->records()) {
    if (record.kind == kImageRecord) image = &record;
    if (record.kind == kPagesRecord) {
      if (record.raw_size > kPageBlockBytes)
        return MakeError("{} is damaged: a block of pages has {} bytes", path, record.raw_size);
      blocks_.push_back(record);
    }
  }
  if (image == nullptr) return MakeError("{} is damaged: it holds no processes", path);
  std::vector<uint8_t> bytes;
  TRY(archive_->Read(*image, bytes, kMaxImageBytes));
  ByteReader in(bytes);
  DecodeFields(in, image_);
  TRY(in.status(fmt::format("the processes in {}", path)));
  Status sound = CheckImage(image_, static_cast<uint32_t>(blocks_.size()), kPageBlockBytes);
  if (!sound.ok()) return MakeError("{} is damaged: {}", path, sound.error().Message());
  return {};
}

Status CheckpointReader::Verify() {
  for (const RecordInfo& block : blocks_) {
    loaded_.clear();
    loaded_block_ = kZeroBlock;
    TRY(archive_->Read(block, loaded_, kPageBlockBytes));
  }
  auto check = [&](const std::vector<PageRange>& ranges) -> Status {
    for (const PageRange& range : ranges) {
      if (range.block != kZeroBlock && range.offset + range.size > blocks_.at(range.block).raw_size)
        return MakeError("a block of pages is short");
    }
    return {};
  };
  for (const ProcessState& process : image_.processes) TRY(check(process.pages));
  for (const SharedObject& object : image_.shared_objects) TRY(check(object.pages));
  for (const NamedFile& file : image_.mapped_files) TRY(check(file.pages));
  for (const OpenFile& file : image_.open_files) {
    if (file.named) TRY(check(file.named->pages));
  }
  return {};
}

Result<ByteSpan> CheckpointReader::Bytes(const PageRange& range) {
  if (range.block != loaded_block_) {
    loaded_.clear();
    loaded_block_ = kZeroBlock;
    TRY(archive_->Read(blocks_.at(range.block), loaded_, kPageBlockBytes));
    loaded_block_ = range.block;
  }
  if (range.offset + range.size > loaded_.size())
    return MakeError("the checkpoint is damaged: a block of pages is short");
  return ByteSpan(loaded_).subspan(range.offset, range.size);
}

Status CheckpointReader::CopyPages(const std::vector<PageRange>& pages, uint64_t size, int fd,
                                   const std::string& name) {
  for (const PageRange& range : pages) {
    if (range.block == kZeroBlock) continue;
    ByteSpan bytes = TRY(Bytes(range));
    uint64_t within = std::min(range.size, size - std::min(size, range.start));
    TRY(WriteAt(fd, range.start, bytes.first(within), name));
  }
  return {};
}

}  // namespace retake
