#include "snapshot/checkpoint_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "base/side_by_side.h"

namespace retake {
namespace {

const uint64_t kPageSize = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));

// A whole checkpoint's image without its pages: more is damage.
constexpr uint64_t kMaxImageBytes = uint64_t{1} << 30;

// Pieces that a thread takes in a row: what is together in memory is then so in the file, in a
// range for all of it.
constexpr size_t kInARow = kPageBlockBytes / kPagesAtOnce;

std::string DirectoryOf(const std::string& path) {
  size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace

Result<std::unique_ptr<CheckpointWriter>> CheckpointWriter::Create(const std::string& path,
                                                                   const Options& options) {
  std::unique_ptr<CheckpointWriter> writer(new CheckpointWriter(path, options));
  TRY(writer->Open());
  return writer;
}

CheckpointWriter::CheckpointWriter(std::string path, Options options)
    : path_(std::move(path)), options_(options) {}

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
  blocks_ = std::make_unique<PageBlocks>(*archive_, kPagesRecord);
  builders_.emplace_back(*blocks_, options_.level);
  return {};
}

Status CheckpointWriter::AddPages(uint64_t start, ByteSpan pages, bool skip_zeros,
                                  std::vector<PageRange>& ranges) {
  return builders_[0].Add(start, pages, skip_zeros, ranges);
}

Status CheckpointWriter::AddPages(PageSource& source, std::vector<PageRange>& ranges) {
  const size_t rows = (source.pieces() + kInARow - 1) / kInARow;
  std::vector<std::vector<PageRange>> found(rows);
  struct Hands {
    std::vector<uint8_t> room;
    std::vector<PageSource::Stretch> stretches;
  };
  std::vector<Hands> hands(ThreadsFor(rows));
  while (builders_.size() < hands.size()) builders_.emplace_back(*blocks_, options_.level);
  auto keep = [&](size_t thread, size_t row) -> Status {
    auto& [room, stretches] = hands[thread];
    size_t end = std::min((row + 1) * kInARow, source.pieces());
    for (size_t piece = row * kInARow; piece < end; ++piece) {
      stretches.clear();
      TRY(source.Read(piece, room, stretches));
      for (const PageSource::Stretch& stretch : stretches)
        TRY(builders_[thread].Add(stretch.start, stretch.bytes, stretch.skip_zeros, found[row]));
    }
    return {};
  };
  TRY(SideBySide(rows, keep));
  for (const std::vector<PageRange>& row : found)
    ranges.insert(ranges.end(), row.begin(), row.end());
  // What is much is packed here, and not by one thread at the end.
  std::vector<BlockBuilder*> large;
  for (BlockBuilder& builder : builders_) {
    if (builder.size() >= kPagesAtOnce) large.push_back(&builder);
  }
  return SideBySide(large.size(), [&](size_t, size_t index) { return large[index]->Flush(); });
}

// Leaves nothing in the threads' blocks; says which is which, if that can't be told without.
Status CheckpointWriter::FlushBlocks() {
  for (BlockBuilder& builder : builders_) TRY(builder.Flush());
  if (std::ranges::is_sorted(blocks_->written())) return {};
  ByteWriter order;
  for (uint32_t number : blocks_->written()) order.U32(number);
  return archive_->Append(kOrderRecord, order.bytes(), 1);
}

Result<uint64_t> CheckpointWriter::Finish(const CheckpointImage& image) {
  TRY(FlushBlocks());
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
  const RecordInfo *image = nullptr, *order = nullptr;
  for (const RecordInfo& record : archive_->records()) {
    switch (record.kind) {
      case kImageRecord:
        image = &record;
        break;
      case kOrderRecord:
        order = &record;
        break;
      case kPagesRecord:
        if (record.raw_size > kPageBlockBytes)
          return MakeError("{} is damaged: a block of pages has {} bytes", path, record.raw_size);
        blocks_.push_back(record);
        break;
      default:
        return MakeError("{} has a record of a kind that this retake doesn't know: {}", path,
                         record.kind);
    }
  }
  if (image == nullptr) return MakeError("{} is damaged: it holds no processes", path);
  if (order != nullptr) TRY(PutInOrder(*order));
  pages_.emplace(*archive_, blocks_);
  std::vector<uint8_t> bytes;
  TRY(archive_->Read(*image, bytes, kMaxImageBytes));
  ByteReader in(bytes);
  DecodeFields(in, image_);
  TRY(in.status(fmt::format("the processes in {}", path)));
  Status sound = CheckImage(image_, static_cast<uint32_t>(blocks_.size()), kPageBlockBytes);
  if (!sound.ok()) return MakeError("{} is damaged: {}", path, sound.error().Message());
  return {};
}

Status CheckpointReader::PutInOrder(const RecordInfo& order) {
  Error damaged =
      MakeError("{} is damaged: its blocks of pages are in no order", archive_->source().name());
  if (order.raw_size != blocks_.size() * sizeof(uint32_t)) return damaged;
  std::vector<uint8_t> bytes;
  TRY(archive_->Read(order, bytes, order.raw_size));
  ByteReader in(bytes);
  std::vector<RecordInfo> by_number(blocks_.size());
  std::vector<bool> there(blocks_.size());
  for (const RecordInfo& block : blocks_) {
    uint32_t number = in.U32();
    if (number >= blocks_.size() || there[number]) return damaged;
    by_number[number] = block;
    there[number] = true;
  }
  blocks_ = std::move(by_number);
  return {};
}

Status CheckpointReader::Verify() {
  std::vector<uint8_t> bytes;
  for (const RecordInfo& block : blocks_) {
    TRY(archive_->Read(block, bytes, kPageBlockBytes));
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

Result<ByteSpan> PageReader::Bytes(const PageRange& range) {
  if (range.block != loaded_block_) {
    loaded_.clear();
    loaded_block_ = kZeroBlock;
    TRY(archive_.Read(blocks_.at(range.block), loaded_, kPageBlockBytes));
    loaded_block_ = range.block;
  }
  if (range.offset + range.size > loaded_.size())
    return MakeError("the checkpoint is damaged: a block of pages is short");
  return ByteSpan(loaded_).subspan(range.offset, range.size);
}

Status CheckpointReader::ReadByBlock(std::span<const PageRange> ranges, const UsePages& use) {
  std::vector<std::span<const PageRange>> runs;
  for (size_t i = 0; i < ranges.size();) {
    size_t first = i;
    while (i < ranges.size() && ranges[i].block == ranges[first].block) ++i;
    runs.push_back(ranges.subspan(first, i - first));
  }
  // Each thread reads by a reader of its own.
  std::vector<std::unique_ptr<ArchiveReader>> archives;
  std::deque<PageReader> readers;
  for (size_t i = 1; i < ThreadsFor(runs.size()); ++i) {
    Fd file(fcntl(fd_, F_DUPFD_CLOEXEC, 0));
    if (!file) return ErrnoError("can't read {} by several threads", archive_->source().name());
    auto source = std::make_unique<FileSource>(std::move(file), archive_->source().name());
    archives.push_back(TRY(ArchiveReader::Open(std::move(source))));
    readers.emplace_back(*archives.back(), blocks_);
  }
  return SideBySide(runs.size(), [&](size_t thread, size_t run) {
    return use(runs[run], thread == 0 ? *pages_ : readers[thread - 1]);
  });
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
