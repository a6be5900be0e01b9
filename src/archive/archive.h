// Archive: the one file format of retake, for traces and snapshots alike.
//
// An append-only file: a header, then sections, each with its kind, sizes and a checksum, its
// payload compressed with zstd where that helps. A trailer section with an index seals it. A writer
// may die at any instant and the file stays readable to its last whole section; a reader may work
// on a file that is still being written. docs/trace-format.md describes each byte.
//
// What goes in is a *record*: any number of bytes of one kind. A record larger than
// kMaxSectionBytes takes several sections, which the reader puts together again, so no reader has
// to decompress more than that at once.
//
// Nothing that a file says is believed before it is checked: sizes are bounded by the format and by
// the file's own size before anything is allocated, and a section's checksum also covers where in
// the file it stands, so that sections can't be swapped, repeated or left out unseen.
#ifndef RETAKE_ARCHIVE_ARCHIVE_H_
#define RETAKE_ARCHIVE_ARCHIVE_H_

#include <climits>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "archive/source.h"
#include "base/bytes.h"
#include "base/fd.h"
#include "base/result.h"

struct ZSTD_CCtx_s;
struct ZSTD_DCtx_s;

namespace retake {

// The version of the container. A reader refuses any other with a sentence.
inline constexpr uint32_t kArchiveVersion = 1;
// The most that one section may hold, uncompressed.
inline constexpr size_t kMaxSectionBytes = size_t{64} << 20;
// Bytes of the file header, and of each section's.
inline constexpr size_t kArchiveHeaderBytes = 24;
inline constexpr size_t kSectionHeaderBytes = 24;

// What an archive is, in its header.
enum class ArchiveContent : uint8_t {
  kEvents = 1,       // the `events` file of a trace
  kPackedTrace = 2,  // a whole trace in one file
  kCheckpoint = 3,   // processes that can go on
};

// Kinds are the user's, from 1 up; this one is the archive's own.
inline constexpr uint16_t kTrailerSection = 0xffff;

enum SectionFlags : uint16_t {
  kSectionCompressed = 1,  // the payload is one zstd frame
  kSectionContinued = 2,   // the record goes on in the next section
  kKnownSectionFlags = kSectionCompressed | kSectionContinued,
};

// Instead of a zstd level: keep the payload as it is.
inline constexpr int kStoreOnly = INT_MIN;

struct SectionInfo {
  uint16_t kind = 0;
  uint16_t flags = 0;
  uint64_t offset = 0;       // of the section's header in the file
  uint32_t raw_size = 0;     // bytes, decompressed
  uint32_t stored_size = 0;  // bytes, as in the file
};

struct RecordInfo {
  uint16_t kind = 0;
  uint32_t first_section = 0;
  uint32_t sections = 0;
  uint64_t raw_size = 0;  // bytes
};

// A section as it goes to the file, but for where it stands there. May be packed anew.
struct PackedSection {
  uint16_t kind = 0;
  uint16_t flags = 0;
  uint32_t raw_size = 0;
  // As it goes to the file: what was packed, which must be there still, or `room`.
  ByteSpan stored;
  std::unique_ptr<uint8_t[]> room;
  size_t capacity = 0;  // of the room

  // Forgets what there is, without giving room back. What comes instead isn't set to anything.
  void Reserve(size_t bytes_wanted);
};

// Compresses sections. Each thread has its own.
class SectionPacker {
 public:
  SectionPacker() = default;
  ~SectionPacker();
  SectionPacker(SectionPacker&&) noexcept;

  // With a zstd `level`, compressed where that makes it smaller; else `out` refers to `payload`.
  void Pack(uint16_t kind, uint16_t flags, ByteSpan payload, int level, PackedSection& out);

 private:
  struct FreeContext {
    void operator()(ZSTD_CCtx_s* context) const;
  };
  std::unique_ptr<ZSTD_CCtx_s, FreeContext> context_;
};

// Writes an archive. Not thread-safe. After a write has failed, the file is cut back to its last
// whole record and every later Append gives the same error.
class ArchiveWriter {
 public:
  // Takes an empty file, open for writing, and writes the header. `architecture` is an ArchId.
  static Result<std::unique_ptr<ArchiveWriter>> Create(Fd file, std::string name,
                                                       ArchiveContent content,
                                                       uint8_t architecture);
  ~ArchiveWriter();

  // Appends a record of `kind`; with a zstd `level`, compressed where that makes it smaller.
  Status Append(uint16_t kind, ByteSpan payload, int level);
  // Appends a record of one section, which is used up.
  Status Append(PackedSection& section);
  // Writes the trailer. Nothing can be appended after.
  Status Seal();

  // Bytes of whole sections so far, header included.
  uint64_t size() const { return end_; }
  int fd() const { return file_.get(); }
  // Sections written so far, without the trailer.
  const std::vector<SectionInfo>& sections() const { return sections_; }

 private:
  ArchiveWriter(Fd file, std::string name) : file_(std::move(file)), name_(std::move(name)) {}
  Status AppendSection(PackedSection& section);
  // After a failed write: cuts the file back to what it was at `begin`.
  void CutBack(uint64_t begin, size_t sections);

  Fd file_;
  std::string name_;
  uint64_t end_ = 0;
  std::vector<SectionInfo> sections_;
  SectionPacker packer_;
  PackedSection section_;
  Status failure_;
};

// What the file of that name says it is, by its first bytes alone; nullopt if it is no archive.
std::optional<ArchiveContent> ContentOf(const std::string& path);

// Reads an archive: sealed, cut short, or still growing.
class ArchiveReader {
 public:
  // Checks the header, then finds the sections: by the trailer if the archive is sealed, else by
  // reading forward to the last whole one, checking each. The errors are sentences: not an archive,
  // another version, damaged header.
  static Result<std::unique_ptr<ArchiveReader>> Open(std::unique_ptr<ByteSource> source);
  ~ArchiveReader();

  ArchiveContent content() const { return content_; }
  uint8_t architecture() const { return architecture_; }
  bool sealed() const { return sealed_; }
  // Whole records, in file order.
  const std::vector<RecordInfo>& records() const { return records_; }
  const std::vector<SectionInfo>& sections() const { return sections_; }
  // Where the readable part ends, and, if that is not the end of a sealed archive, why.
  uint64_t end() const { return end_; }
  const std::string& cut_reason() const { return cut_reason_; }
  // Whether it ends there because of damage, not because its writer got no further.
  bool damaged() const { return damaged_; }
  const ByteSource& source() const { return *source_; }

  // Reads a record into `out`, checking its sections. Fails if it is larger than `limit` bytes.
  Status Read(const RecordInfo& record, std::vector<uint8_t>& out,
              uint64_t limit = uint64_t{4} << 30);
  // Forgets the trailer and finds the sections again by reading forward: what there is before the
  // first damage.
  Status Scan();

 private:
  explicit ArchiveReader(std::unique_ptr<ByteSource> source) : source_(std::move(source)) {}
  Status ReadHeader();
  bool ReadTrailer(uint64_t size);
  // Reads and checks the section at `offset`: its header into `info`, its payload into stored_. The
  // error says what is wrong with it; its code is ENODATA where there is nothing wrong but that the
  // file ends.
  Status LoadSection(uint64_t offset, uint64_t size, SectionInfo& info);
  // Appends the decompressed payload in stored_ to `out`.
  Status Unpack(const SectionInfo& info, std::vector<uint8_t>& out);
  void GroupRecords();

  struct FreeContext {
    void operator()(ZSTD_DCtx_s* context) const;
  };

  std::unique_ptr<ByteSource> source_;
  ArchiveContent content_ = ArchiveContent::kEvents;
  uint8_t architecture_ = 0;
  bool sealed_ = false;
  uint64_t end_ = 0;
  std::string cut_reason_;
  bool damaged_ = false;
  std::vector<SectionInfo> sections_;
  std::vector<RecordInfo> records_;
  std::vector<uint8_t> stored_;
  std::unique_ptr<ZSTD_DCtx_s, FreeContext> context_;
};

}  // namespace retake

#endif  // RETAKE_ARCHIVE_ARCHIVE_H_
