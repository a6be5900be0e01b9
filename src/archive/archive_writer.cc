// ArchiveWriter. One pwrite per section, at the offset where the last whole one ended; no fsync: a
// recording must survive the death of its recorder, which the page cache does by itself, and not
// the loss of power, which costs milliseconds to guard against.
#define XXH_INLINE_ALL
#include <xxhash.h>
#include <zstd.h>

#include <algorithm>
#include <cstring>

#include "archive/archive.h"
#include "archive/format.h"

namespace retake {

using namespace archive_format;

uint64_t archive_format::Checksum(ByteSpan bytes, uint64_t seed) {
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}

void ArchiveWriter::FreeContext::operator()(ZSTD_CCtx_s* context) const { ZSTD_freeCCtx(context); }

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
    failure_ = AppendSection(kind, payload.empty() ? 0 : kSectionContinued, piece, level);
  } while (failure_.ok() && !payload.empty());
  if (!failure_.ok()) {
    // What was half written goes: a reader then finds a clean end instead of a damaged tail. If the
    // cut fails too, the reader stops at the same place by the checksum.
    end_ = begin;
    sections_.resize(sections);
    if (ftruncate(file_.get(), static_cast<off_t>(end_)) != 0) errno = 0;
  }
  return failure_;
}

Status ArchiveWriter::AppendSection(uint16_t kind, uint16_t flags, ByteSpan payload, int level) {
  size_t stored = payload.size();
  if (level != kStoreOnly && payload.size() > 64) {
    if (!context_) context_.reset(ZSTD_createCCtx());
    if (!context_) return Error(ENOMEM, "can't make a zstd context");
    buffer_.resize(kSectionHeaderBytes + ZSTD_compressBound(payload.size()));
    size_t size = ZSTD_compressCCtx(context_.get(), buffer_.data() + kSectionHeaderBytes,
                                    buffer_.size() - kSectionHeaderBytes, payload.data(),
                                    payload.size(), level);
    if (!ZSTD_isError(size) && size < payload.size()) {
      stored = size;
      flags |= kSectionCompressed;
    }
  }
  if ((flags & kSectionCompressed) == 0) {
    buffer_.resize(kSectionHeaderBytes + stored);
    std::copy(payload.begin(), payload.end(), buffer_.begin() + kSectionHeaderBytes);
  }
  SectionInfo info{kind, flags, end_, static_cast<uint32_t>(payload.size()),
                   static_cast<uint32_t>(stored)};
  uint8_t* header = buffer_.data();
  memset(header, 0, kSectionHeaderBytes);
  Put<uint16_t>(header + kKindOffset, info.kind);
  Put<uint16_t>(header + kFlagsOffset, info.flags);
  Put<uint32_t>(header + kRawSizeOffset, info.raw_size);
  Put<uint32_t>(header + kStoredSizeOffset, info.stored_size);
  ByteSpan section = ByteSpan(buffer_).first(kSectionHeaderBytes + stored);
  Put<uint64_t>(header, Checksum(section.subspan(sizeof(uint64_t)), end_));
  TRY(WriteAt(file_.get(), end_, section, name_));
  end_ += section.size();
  if (kind != kTrailerSection) sections_.push_back(info);
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
