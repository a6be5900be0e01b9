// The file of a checkpoint: an archive whose records are blocks of pages, and one last record, the
// CheckpointImage.
//
// It appears under its name when it is whole, and never before: what is written is a file without
// a name (O_TMPFILE), or, where the file system has none, one under a name of its own that goes if
// anything fails.
#ifndef RETAKE_SNAPSHOT_CHECKPOINT_FILE_H_
#define RETAKE_SNAPSHOT_CHECKPOINT_FILE_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "archive/archive.h"
#include "snapshot/block_packer.h"
#include "snapshot/checkpoint_image.h"
#include "snapshot/known_units.h"

namespace retake {

// Bytes of a whole block of pages, and the most that any has.
inline constexpr uint64_t kPageBlockBytes = 1 << 20;

enum CheckpointRecord : uint16_t {
  kImageRecord = 1,
  kPagesRecord = 2,
};

// Pages that are kept in one piece, or one of zeros.
struct PageUnit {
  uint32_t size = 0;
  bool zero = false;
  Hash128 hash;
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

  // Whole pages, as they are looked for among those that are kept already: one by one, or, if
  // nothing is to be compressed, several at once, since that is asked for to be quick to restore,
  // which many ranges aren't. It takes long, and any thread may do it.
  std::vector<PageUnit> Divide(ByteSpan pages) const;
  // Keeps pages that stand at `start`, divided into `units`; adds where they went to `ranges`. Zero
  // pages and units that are kept already take no room. With `skip_zeros`, zero pages aren't even
  // said: where there is nothing, zeros are.
  Status AddPages(uint64_t start, ByteSpan pages, std::span<const PageUnit> units, bool skip_zeros,
                  std::vector<PageRange>& ranges);
  Status AddPages(uint64_t start, ByteSpan pages, bool skip_zeros, std::vector<PageRange>& ranges) {
    return AddPages(start, pages, Divide(pages), skip_zeros, ranges);
  }
  // Writes the image, seals the file and gives it its name. Its size in bytes.
  Result<uint64_t> Finish(const CheckpointImage& image);

 private:
  CheckpointWriter(std::string path, Options options);
  Status Open();
  // Where they are kept, once for all of the same bytes.
  Result<KnownUnits::Place> Keep(const PageUnit& unit, ByteSpan bytes);
  Status FlushBlock();
  Status Publish();

  std::string path_;
  std::string temporary_;  // the file's name before it gets its own; empty: it has none
  Options options_;
  size_t unit_;  // the most bytes that are looked for among what is kept, as a whole
  Fd directory_;
  std::unique_ptr<ArchiveWriter> archive_;
  std::unique_ptr<BlockPacker> packer_;  // after the archive, which it writes to
  std::vector<uint8_t> block_;
  uint32_t blocks_ = 0;
  KnownUnits known_;
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
  Result<ByteSpan> Bytes(const PageRange& range);
  // Writes pages of an object or a file of `size` bytes to `fd`, of which what isn't said is zero
  // already: the last page may be longer. `name` is for messages.
  Status CopyPages(const std::vector<PageRange>& pages, uint64_t size, int fd,
                   const std::string& name);
  // That it reads from.
  int fd() const { return fd_; }

 private:
  CheckpointReader() = default;
  Status Load(const std::string& path);

  std::unique_ptr<ArchiveReader> archive_;
  const ArchDescription* arch_ = nullptr;
  CheckpointImage image_;
  std::vector<RecordInfo> blocks_;
  std::vector<uint8_t> loaded_;
  uint32_t loaded_block_ = kZeroBlock;
  int fd_ = -1;
};

}  // namespace retake

#endif  // RETAKE_SNAPSHOT_CHECKPOINT_FILE_H_
