// ArchiveReader: believes nothing before its checksum holds, and allocates nothing that the file's
// own size and the format's bounds don't justify.
#include <zstd.h>

#include <algorithm>
#include <cstring>

#include "archive/archive.h"
#include "archive/format.h"
#include "base/populate.h"

namespace retake {

using namespace archive_format;

namespace {

Error CutShort(uint64_t offset) {
  return Error(ENODATA, fmt::format("the section at byte {} is cut short", offset));
}

}  // namespace

void ArchiveReader::FreeContext::operator()(ZSTD_DCtx_s* context) const { ZSTD_freeDCtx(context); }

ArchiveReader::~ArchiveReader() = default;

Result<std::unique_ptr<ArchiveReader>> ArchiveReader::Open(std::unique_ptr<ByteSource> source) {
  std::unique_ptr<ArchiveReader> reader(new ArchiveReader(std::move(source)));
  TRY(reader->ReadHeader());
  uint64_t size = TRY(reader->source_->Size());
  if (reader->ReadTrailer(size)) {
    reader->GroupRecords();
  } else {
    TRY(reader->Scan());
  }
  return reader;
}

std::optional<ArchiveContent> ContentOf(const std::string& path) {
  uint8_t header[kArchiveHeaderBytes];
  auto file = OpenRegularFile(path);
  if (!file.ok() || pread(file->get(), header, sizeof header, 0) != sizeof header) return {};
  if (memcmp(header, kMagic.data(), kMagic.size()) != 0) return {};
  return static_cast<ArchiveContent>(header[kContentOffset]);
}

Status ArchiveReader::ReadHeader() {
  uint8_t header[kArchiveHeaderBytes];
  size_t got = TRY(source_->ReadAt(0, header));
  if (got < kMagic.size() || memcmp(header, kMagic.data(), kMagic.size()) != 0) {
    return MakeError("{} is not an archive of retake's", source_->name());
  }
  if (got < sizeof header) return MakeError("{} is cut short in its header", source_->name());
  uint32_t version = Get<uint32_t>(header + kVersionOffset);
  if (version != kArchiveVersion) {
    return MakeError(
        "{} has version {} of the archive format; this retake reads version {}: use the retake "
        "that wrote it",
        source_->name(), version, kArchiveVersion);
  }
  if (Get<uint64_t>(header + kHeaderChecksumOffset) !=
      Checksum(ByteSpan(header).first(kHeaderChecksumOffset), 0)) {
    return MakeError("{} has a damaged header", source_->name());
  }
  architecture_ = header[kArchitectureOffset];
  content_ = static_cast<ArchiveContent>(header[kContentOffset]);
  end_ = sizeof header;
  return {};
}

Status ArchiveReader::LoadSection(uint64_t offset, uint64_t size, SectionInfo& info) {
  if (size < offset || size - offset < kSectionHeaderBytes) {
    return CutShort(offset);
  }
  uint8_t header[kSectionHeaderBytes];
  if (TRY(source_->ReadAt(offset, header)) < sizeof header) {
    return CutShort(offset);
  }
  info.kind = Get<uint16_t>(header + kKindOffset);
  info.flags = Get<uint16_t>(header + kFlagsOffset);
  info.offset = offset;
  info.raw_size = Get<uint32_t>(header + kRawSizeOffset);
  info.stored_size = Get<uint32_t>(header + kStoredSizeOffset);
  if (info.raw_size > kMaxSectionBytes || info.stored_size > info.raw_size) {
    return MakeError("section at byte {} is damaged: it says it holds {} bytes", offset,
                     info.raw_size);
  }
  if (size - offset - kSectionHeaderBytes < info.stored_size) {
    return CutShort(offset);
  }
  // One buffer, header first, so that the checksum is taken in one go.
  stored_.resize(kSectionHeaderBytes + info.stored_size);
  memcpy(stored_.data(), header, sizeof header);
  if (TRY(source_->ReadAt(offset + sizeof header,
                          std::span(stored_).subspan(kSectionHeaderBytes))) < info.stored_size) {
    return CutShort(offset);
  }
  if (Get<uint64_t>(header) != Checksum(ByteSpan(stored_).subspan(sizeof(uint64_t)), offset)) {
    return MakeError("section at byte {} is damaged: its checksum is wrong", offset);
  }
  if (info.kind == 0) return MakeError("section at byte {} is damaged: it has no kind", offset);
  if ((info.flags & ~kKnownSectionFlags) != 0) {
    return MakeError("section at byte {} needs a newer retake (flags {:#x})", offset, info.flags);
  }
  if ((info.flags & kSectionCompressed) == 0 && info.stored_size != info.raw_size) {
    return MakeError("section at byte {} is damaged: its sizes disagree", offset);
  }
  return {};
}

Status ArchiveReader::Unpack(const SectionInfo& info, std::vector<uint8_t>& out) {
  ByteSpan stored = ByteSpan(stored_).subspan(kSectionHeaderBytes);
  size_t begin = out.size();
  if ((info.flags & kSectionCompressed) == 0) {
    out.insert(out.end(), stored.begin(), stored.end());
    return {};
  }
  if (ZSTD_getFrameContentSize(stored.data(), stored.size()) != info.raw_size) {
    return MakeError("section at byte {} is damaged: its sizes disagree", info.offset);
  }
  if (!context_) context_.reset(ZSTD_createDCtx());
  if (!context_) return Error(ENOMEM, "can't make a zstd context");
  if (size_t size = begin + info.raw_size; size > out.capacity()) {
    out.reserve(std::max(size, 2 * out.capacity()));
    Populate(out.data() + begin, info.raw_size);
  }
  out.resize(begin + info.raw_size);
  size_t got = ZSTD_decompressDCtx(context_.get(), out.data() + begin, info.raw_size, stored.data(),
                                   stored.size());
  if (got != info.raw_size) {
    out.resize(begin);
    return MakeError("section at byte {} can't be decompressed", info.offset);
  }
  return {};
}

bool ArchiveReader::ReadTrailer(uint64_t size) {
  uint8_t tail[kEndBytes];
  if (size < kArchiveHeaderBytes + kSectionHeaderBytes + sizeof tail) return false;
  Result<size_t> got = source_->ReadAt(size - sizeof tail, tail);
  if (!got.ok() || *got < sizeof tail) return false;
  if (memcmp(tail + 8, kEndMagic.data(), kEndMagic.size()) != 0) return false;
  uint64_t at = Get<uint64_t>(tail);
  SectionInfo trailer;
  if (!LoadSection(at, size, trailer).ok() || trailer.kind != kTrailerSection) return false;
  if (trailer.flags != 0 || at + kSectionHeaderBytes + trailer.stored_size != size) return false;

  ByteReader index(ByteSpan(stored_).subspan(kSectionHeaderBytes));
  uint64_t count = index.Count(5);
  std::vector<SectionInfo> sections;
  sections.reserve(count);
  uint64_t offset = kArchiveHeaderBytes;
  for (uint64_t i = 0; i < count && index.ok(); i++) {
    uint64_t kind = index.Varint();
    uint64_t flags = index.Varint();
    uint64_t gap = index.Varint();
    uint64_t raw = index.Varint();
    uint64_t stored = index.Varint();
    if (kind > UINT16_MAX || flags > UINT16_MAX || raw > kMaxSectionBytes || stored > raw)
      return false;
    if (gap != 0 || offset > at || at - offset < kSectionHeaderBytes + stored) return false;
    sections.push_back({static_cast<uint16_t>(kind), static_cast<uint16_t>(flags), offset,
                        static_cast<uint32_t>(raw), static_cast<uint32_t>(stored)});
    offset += kSectionHeaderBytes + stored;
  }
  if (!index.ok() || offset != at) return false;
  sections_ = std::move(sections);
  sealed_ = true;
  end_ = size;
  return true;
}

Status ArchiveReader::Scan() {
  sections_.clear();
  cut_reason_.clear();
  damaged_ = false;
  sealed_ = false;
  end_ = kArchiveHeaderBytes;
  uint64_t size = TRY(source_->Size());
  while (end_ < size) {
    SectionInfo info;
    Status loaded = LoadSection(end_, size, info);
    if (!loaded.ok()) {
      cut_reason_ = loaded.error().what();
      damaged_ = loaded.error().code() != ENODATA;
      break;
    }
    end_ += kSectionHeaderBytes + info.stored_size;
    if (info.kind == kTrailerSection) {
      sealed_ = true;
      break;
    }
    sections_.push_back(info);
  }
  if (!sealed_ && cut_reason_.empty()) cut_reason_ = fmt::format("no trailer after byte {}", end_);
  GroupRecords();
  return {};
}

// Sections to records. One that is not continued to its end belongs to no record: it was cut.
void ArchiveReader::GroupRecords() {
  records_.clear();
  RecordInfo record;
  for (uint32_t i = 0; i < sections_.size(); i++) {
    const SectionInfo& info = sections_[i];
    if (record.sections == 0 || record.kind != info.kind) record = {info.kind, i, 0, 0};
    record.sections++;
    record.raw_size += info.raw_size;
    if ((info.flags & kSectionContinued) != 0) continue;
    records_.push_back(record);
    record = {};
  }
}

Status ArchiveReader::Read(const RecordInfo& record, std::vector<uint8_t>& out, uint64_t limit) {
  out.clear();
  if (record.raw_size > limit) {
    return MakeError("record of {} bytes at byte {} is larger than it can be", record.raw_size,
                     sections_[record.first_section].offset);
  }
  uint64_t size = TRY(source_->Size());
  for (uint32_t i = 0; i < record.sections; i++) {
    const SectionInfo& known = sections_[record.first_section + i];
    SectionInfo info;
    TRY(LoadSection(known.offset, size, info));
    if (info.kind != known.kind || info.flags != known.flags || info.raw_size != known.raw_size ||
        info.stored_size != known.stored_size) {
      return MakeError("section at byte {} is not what the index says", known.offset);
    }
    TRY(Unpack(info, out));
  }
  return {};
}

}  // namespace retake
