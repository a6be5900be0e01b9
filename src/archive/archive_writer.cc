// ArchiveWriter. One pwrite per section, at the offset where the last whole one ended; no fsync: a
// recording must survive the death of its recorder, which the page cache does by itself, and not
// the loss of power, which costs milliseconds to guard against.
#include <zstd.h>

#include <algorithm>
#include <cstring>

#include "arch/hash.h"
#include "archive/archive.h"
#include "archive/format.h"

namespace retake {

using namespace archive_format;

uint64_t archive_format::Checksum(ByteSpan bytes, uint64_t seed) { return HashOf64(bytes, seed); }

uint64_t archive_format::Checksum(ByteSpan first, ByteSpan second, uint64_t seed) {
  return HashOf64(first, second, seed);
}

void SectionPacker::FreeContext::operator()(ZSTD_CCtx_s* context) const { ZSTD_freeCCtx(context); }

SectionPacker::~SectionPacker() = default;
SectionPacker::SectionPacker(SectionPacker&&) noexcept = default;

void PackedSection::Reserve(size_t bytes_wanted) {
  if (capacity >= bytes_wanted) return;
  room = std::make_unique_for_overwrite<uint8_t[]>(bytes_wanted);
  capacity = bytes_wanted;
}

void SectionPacker::Pack(uint16_t kind, uint16_t flags, ByteSpan payload, int level,
                         PackedSection& out) {
  out.kind = kind;
  out.flags = flags;
  out.raw_size = static_cast<uint32_t>(payload.size());
  out.stored = payload;
  constexpr size_t kLeast = 64;
  if (level != kStoreOnly && payload.size() > kLeast) {
    if (!context_) context_.reset(ZSTD_createCCtx());
    out.Reserve(ZSTD_compressBound(payload.size()));
    size_t size = context_ == nullptr
                      ? payload.size()
                      : ZSTD_compressCCtx(context_.get(), out.room.get(), out.capacity,
                                          payload.data(), payload.size(), level);
    if (!ZSTD_isError(size) && size < payload.size()) {
      out.flags |= kSectionCompressed;
      out.stored = {out.room.get(), size};
    }
  }
}

ArchiveWriter::~ArchiveWriter() = default;

Result<std::unique_ptr<ArchiveWriter>> ArchiveWriter::Create(Fd file, std::string name,
                                                             ArchiveContent content,
                                                             uint8_t architecture) {
  uint8_t header[kArchiveHeaderBytes] = {};
  memcpy(header, kMagic.data(), kMagic.size());
  Put<uint32_t>(header + kVersionOffset, kArchiveVersion);
  header[kArchitectureOffset] = architecture;
  header[kContentOffset] = static_cast<uint8_t>(content);
  Put<uint64_t>(header + kHeaderChecksumOffset,
                Checksum(ByteSpan(header).first(kHeaderChecksumOffset), 0));
  TRY(WriteAt(file.get(), 0, header, name));
  std::unique_ptr<ArchiveWriter> writer(new ArchiveWriter(std::move(file), std::move(name)));
  writer->end_ = sizeof header;
  return writer;
}

Status ArchiveWriter::Append(uint16_t kind, ByteSpan payload, int level) {
  if (!failure_.ok()) return failure_;
  uint64_t begin = end_;
  size_t sections = sections_.size();
  do {
    ByteSpan piece = payload.first(std::min(payload.size(), kMaxSectionBytes));
    payload = payload.subspan(piece.size());
    packer_.Pack(kind, payload.empty() ? 0 : kSectionContinued, piece, level, section_);
    failure_ = AppendSection(section_);
  } while (failure_.ok() && !payload.empty());
  if (!failure_.ok()) CutBack(begin, sections);
  return failure_;
}

Status ArchiveWriter::Append(PackedSection& section) {
  if (!failure_.ok()) return failure_;
  uint64_t begin = end_;
  size_t sections = sections_.size();
  failure_ = AppendSection(section);
  if (!failure_.ok()) CutBack(begin, sections);
  return failure_;
}

// What was half written goes: a reader then finds a clean end instead of a damaged tail. If the cut
// fails too, the reader stops at the same place by the checksum.
void ArchiveWriter::CutBack(uint64_t begin, size_t sections) {
  end_ = begin;
  sections_.resize(sections);
  if (ftruncate(file_.get(), static_cast<off_t>(end_)) != 0) errno = 0;
}

Status ArchiveWriter::AppendSection(PackedSection& section) {
  SectionInfo info{section.kind, section.flags, end_, section.raw_size,
                   static_cast<uint32_t>(section.stored.size())};
  uint8_t header[kSectionHeaderBytes] = {};
  Put<uint16_t>(header + kKindOffset, info.kind);
  Put<uint16_t>(header + kFlagsOffset, info.flags);
  Put<uint32_t>(header + kRawSizeOffset, info.raw_size);
  Put<uint32_t>(header + kStoredSizeOffset, info.stored_size);
  Put<uint64_t>(header, Checksum(ByteSpan(header).subspan(sizeof(uint64_t)), section.stored, end_));
  TRY(WriteAt(file_.get(), end_, header, section.stored, name_));
  end_ += sizeof header + section.stored.size();
  if (section.kind != kTrailerSection) sections_.push_back(info);
  return {};
}

Status ArchiveWriter::Seal() {
  ByteWriter index;
  index.Varint(sections_.size());
  uint64_t offset = kArchiveHeaderBytes;
  for (const SectionInfo& info : sections_) {
    index.Varint(info.kind);
    index.Varint(info.flags);
    index.Varint(info.offset - offset);  // sections lie end to end: always 0 in this version
    index.Varint(info.raw_size);
    index.Varint(info.stored_size);
    offset = info.offset + kSectionHeaderBytes + info.stored_size;
  }
  if (index.size() + kEndBytes > kMaxSectionBytes) {
    // Five million sections. An empty index doesn't fit them, so a reader reads forward.
    index.Clear();
    index.Varint(0);
  }
  index.U64(end_);
  index.Raw(AsBytes(kEndMagic));
  return Append(kTrailerSection, index.bytes(), kStoreOnly);
}

}  // namespace retake
