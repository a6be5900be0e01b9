// The file of a checkpoint: an archive whose records are blocks of pages, where they aren't in the
// order of their numbers the number of each (32 bits, of little endian), and one last record, the
// CheckpointImage.
//
// It appears under its name when it is whole, and never before: what is written is a file without
// a name (O_TMPFILE), or, where the file system has none, one under a name of its own that goes if
// anything fails.
#ifndef RETAKE_SNAPSHOT_CHECKPOINT_FILE_H_
#define RETAKE_SNAPSHOT_CHECKPOINT_FILE_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "archive/archive.h"
#include "snapshot/checkpoint_image.h"
#include "snapshot/page_blocks.h"

namespace retake {

enum CheckpointRecord : uint16_t {
  kImageRecord = 1,
  kPagesRecord = 2,
  kOrderRecord = 3,
};

// Much memory, or a file, in pieces that threads ask for side by side.
class PageSource {
 public:
  // Whole pages.
  struct Stretch {
    uint64_t start = 0;
    ByteSpan bytes;
    bool skip_zeros = false;
  };

  virtual ~PageSource() = default;
  virtual size_t pieces() const = 0;
  // What a piece holds, which is some kPagesAtOnce at most: it may lie in `room`.
  virtual Status Read(size_t piece, std::vector<uint8_t>& room, std::vector<Stretch>& out) = 0;
};

class CheckpointWriter {
 public:
  struct Options {
    int level = 1;     // of zstd; kStoreOnly: as they are
    bool sync = true;  // make it durable before it gets its name
  };
  static Result<std::unique_ptr<CheckpointWriter>> Create(const std::string& path,
                                                          const Options& options);
  CheckpointWriter(const CheckpointWriter&) = delete;
  CheckpointWriter& operator=(const CheckpointWriter&) = delete;
  ~CheckpointWriter();

  // Keeps whole pages that stand at `start`; adds where they went to `ranges`. Zero pages and those
  // that are kept already take no room. With `skip_zeros`, zero pages aren't even said: where there
  // is nothing, zeros are.
  Status AddPages(uint64_t start, ByteSpan pages, bool skip_zeros, std::vector<PageRange>& ranges);
  // Keeps all of it, on all CPUs if it is much.
  Status AddPages(PageSource& source, std::vector<PageRange>& ranges);
  // Writes the image, seals the file and gives it its name. Its size in bytes.
  Result<uint64_t> Finish(const CheckpointImage& image);

 private:
  CheckpointWriter(std::string path, Options options);
  Status Open();
  Status FlushBlocks();
  Status Publish();

  std::string path_;
  std::string temporary_;  // the file's name before it gets its own; empty: it has none
  Options options_;
  Fd directory_;
  std::unique_ptr<ArchiveWriter> archive_;
  std::unique_ptr<PageBlocks> blocks_;
  std::deque<BlockBuilder> builders_;  // one per thread, the first for the one that calls
};

// Reads pages of a checkpoint, for one thread.
class PageReader {
 public:
  PageReader(ArchiveReader& archive, const std::vector<RecordInfo>& blocks)
      : archive_(archive), blocks_(blocks) {}
  // The pages of a range that isn't of zeros. The view is valid until the next call.
  Result<ByteSpan> Bytes(const PageRange& range);

 private:
  ArchiveReader& archive_;
  const std::vector<RecordInfo>& blocks_;
  std::vector<uint8_t> loaded_;
  uint32_t loaded_block_ = kZeroBlock;
};

class CheckpointReader {
 public:
  // Reads and checks the image; the pages are read when they are asked for. A trace, a file of
  // another architecture, a damaged one, one that was never finished: sentences.
  static Result<std::unique_ptr<CheckpointReader>> Open(const std::string& path);

  const CheckpointImage& image() const { return image_; }
  const ArchDescription& arch() const { return *arch_; }
  // Reads all of it, and checks each checksum.
  Status Verify();
  // The pages of a range that isn't of zeros. The view is valid until the next call.
  Result<ByteSpan> Bytes(const PageRange& range) { return pages_->Bytes(range); }
  // Has `use` called with the ranges of each block, by several threads side by side. The ranges are
  // sorted by block, and none is of zeros.
  using UsePages = std::function<Status(std::span<const PageRange>, PageReader&)>;
  Status ReadByBlock(std::span<const PageRange> ranges, const UsePages& use);
  // Writes pages of an object or a file of `size` bytes to `fd`, of which what isn't said is zero
  // already: the last page may be longer. `name` is for messages.
  Status CopyPages(const std::vector<PageRange>& pages, uint64_t size, int fd,
                   const std::string& name);
  // That it reads from.
  int fd() const { return fd_; }

 private:
  CheckpointReader() = default;
  Status Load(const std::string& path);
  Status PutInOrder(const RecordInfo& order);

  std::unique_ptr<ArchiveReader> archive_;
  const ArchDescription* arch_ = nullptr;
  CheckpointImage image_;
  std::vector<RecordInfo> blocks_;  // by number
  std::optional<PageReader> pages_;
  int fd_ = -1;
};

}  // namespace retake

#endif  // RETAKE_SNAPSHOT_CHECKPOINT_FILE_H_
