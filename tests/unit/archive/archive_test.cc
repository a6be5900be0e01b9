// The archive: records come back, damage of any byte is seen, a cut is clean at every byte.
#include "archive/archive.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <random>

#include "archive/format.h"

namespace retake {
namespace {

using Bytes = std::vector<uint8_t>;

struct Record {
  uint16_t kind;
  Bytes bytes;
  bool operator==(const Record&) const = default;
};

Fd MemoryFile() { return Fd(memfd_create("archive", MFD_CLOEXEC)); }

std::unique_ptr<ArchiveWriter> NewArchive(int fd) {
  auto writer = ArchiveWriter::Create(Fd(dup(fd)), "test", ArchiveContent::kEvents, 1);
  EXPECT_TRUE(writer.ok());
  return writer.ok() ? writer.TakeValue() : nullptr;
}

Bytes Contents(int fd) {
  FileSource source(Fd(dup(fd)), "test");
  Bytes bytes(source.Size().TakeValue());
  EXPECT_TRUE(source.ReadAt(0, bytes).ok());
  return bytes;
}

Result<std::unique_ptr<ArchiveReader>> OpenBytes(const Bytes& bytes) {
  return ArchiveReader::Open(std::make_unique<MemorySource>(bytes, "test"));
}

// All records that can be read; stops at the first that can't.
std::vector<Record> ReadRecords(ArchiveReader& reader) {
  std::vector<Record> records;
  for (const RecordInfo& info : reader.records()) {
    Record record{info.kind, {}};
    if (!reader.Read(info, record.bytes).ok()) break;
    records.push_back(std::move(record));
  }
  return records;
}

std::vector<Record> SampleRecords() {
  std::mt19937 random(1);
  std::vector<Record> records;
  records.push_back({1, Bytes(300, 'a')});  // compresses
  records.push_back({2, {}});
  Bytes noise(200);
  for (uint8_t& byte : noise) byte = static_cast<uint8_t>(random());
  records.push_back({3, noise});  // doesn't
  records.push_back({1, {1, 2, 3}});
  return records;
}

Bytes SampleArchive(bool seal) {
  Fd file = MemoryFile();
  auto writer = NewArchive(file.get());
  for (const Record& record : SampleRecords()) {
    EXPECT_TRUE(writer->Append(record.kind, record.bytes, 1).ok());
  }
  if (seal) {
    EXPECT_TRUE(writer->Seal().ok());
  }
  return Contents(file.get());
}

bool IsPrefix(const std::vector<Record>& records, const std::vector<Record>& of) {
  return records.size() <= of.size() && std::equal(records.begin(), records.end(), of.begin());
}

TEST(Archive, RecordsComeBack) {
  for (bool seal : {false, true}) {
    Bytes bytes = SampleArchive(seal);
    auto reader = OpenBytes(bytes);
    ASSERT_TRUE(reader.ok());
    EXPECT_EQ((*reader)->sealed(), seal);
    EXPECT_EQ((*reader)->architecture(), 1);
    EXPECT_FALSE((*reader)->damaged());
    EXPECT_EQ(ReadRecords(**reader), SampleRecords());
    EXPECT_EQ((*reader)->end(), bytes.size());
  }
}

TEST(Archive, WhatCompressesIsCompressedAndWhatDoesNotIsStored) {
  Bytes bytes = SampleArchive(true);
  auto reader = OpenBytes(bytes);
  ASSERT_TRUE(reader.ok());
  const std::vector<SectionInfo>& sections = (*reader)->sections();
  EXPECT_LT(sections[0].stored_size, 100u);
  EXPECT_EQ(sections[2].stored_size, 200u);
  EXPECT_EQ(sections[2].flags, 0);
}

TEST(Archive, ARecordLargerThanASectionTakesSeveral) {
  Fd file = MemoryFile();
  auto writer = NewArchive(file.get());
  Bytes large(kMaxSectionBytes + 1000);
  for (size_t i = 0; i < large.size(); i += 4096) large[i] = static_cast<uint8_t>(i >> 12);
  ASSERT_TRUE(writer->Append(7, large, 1).ok());
  ASSERT_TRUE(writer->Append(8, Bytes{1}, 1).ok());
  EXPECT_EQ(writer->sections().size(), 3u);
  ASSERT_TRUE(writer->Seal().ok());
  auto reader = ArchiveReader::Open(std::make_unique<FileSource>(Fd(dup(file.get())), "test"));
  ASSERT_TRUE(reader.ok());
  ASSERT_EQ((*reader)->records().size(), 2u);
  Bytes back;
  ASSERT_TRUE((*reader)->Read((*reader)->records()[0], back).ok());
  EXPECT_TRUE(back == large);
  EXPECT_FALSE((*reader)->Read((*reader)->records()[0], back, 1000).ok());  // over the limit
}

TEST(R09_Archive, ACutAtAnyByteLeavesTheRecordsBeforeIt) {
  const std::vector<Record> all = SampleRecords();
  const Bytes whole = SampleArchive(true);
  auto sealed = OpenBytes(whole);
  ASSERT_TRUE(sealed.ok());
  for (size_t size = 0; size < whole.size(); size++) {
    Bytes cut(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(size));
    auto reader = OpenBytes(cut);
    if (size < kArchiveHeaderBytes) {
      EXPECT_FALSE(reader.ok()) << size;
      continue;
    }
    ASSERT_TRUE(reader.ok()) << size;
    EXPECT_FALSE((*reader)->sealed()) << size;
    EXPECT_FALSE((*reader)->damaged()) << size << " " << (*reader)->cut_reason();
    EXPECT_FALSE((*reader)->cut_reason().empty()) << size;
    size_t expected = 0;
    for (const SectionInfo& section : (*sealed)->sections()) {
      expected += section.offset + kSectionHeaderBytes + section.stored_size <= size;
    }
    std::vector<Record> records = ReadRecords(**reader);
    EXPECT_EQ(records.size(), expected) << size;
    EXPECT_TRUE(IsPrefix(records, all)) << size;
  }
}

TEST(R09_Archive, AFlippedBitAnywhereIsSeen) {
  const std::vector<Record> all = SampleRecords();
  for (bool seal : {false, true}) {
    const Bytes whole = SampleArchive(seal);
    for (size_t at = 0; at < whole.size(); at++) {
      for (int bit = 0; bit < 8; bit++) {
        Bytes damaged = whole;
        damaged[at] ^= static_cast<uint8_t>(1 << bit);
        auto reader = OpenBytes(damaged);
        if (!reader.ok()) continue;
        ASSERT_GE(at, kArchiveHeaderBytes);  // no flip in the header passes
        std::vector<Record> records = ReadRecords(**reader);
        ASSERT_TRUE(IsPrefix(records, all)) << at;
        // Either something is missing, or the flip was in the trailer.
        bool in_trailer = seal && records == all && at >= (*reader)->sections().back().offset;
        ASSERT_TRUE(records.size() < all.size() || in_trailer) << at << " bit " << bit;
        ASSERT_TRUE((*reader)->Scan().ok());
        ASSERT_TRUE(IsPrefix(ReadRecords(**reader), all)) << at;
      }
    }
  }
}

TEST(R09_Archive, SectionsThatAreMovedOrRepeatedAreSeen) {
  Bytes whole = SampleArchive(false);
  auto reader = OpenBytes(whole);
  ASSERT_TRUE(reader.ok());
  const std::vector<SectionInfo> sections = (*reader)->sections();
  auto section = [&](size_t i) {
    auto begin = whole.begin() + static_cast<ptrdiff_t>(sections[i].offset);
    return Bytes(begin,
                 begin + static_cast<ptrdiff_t>(kSectionHeaderBytes + sections[i].stored_size));
  };
  Bytes repeated = whole;
  Bytes again = section(3);
  repeated.insert(repeated.end(), again.begin(), again.end());
  reader = OpenBytes(repeated);
  ASSERT_TRUE(reader.ok());
  EXPECT_EQ(ReadRecords(**reader).size(), 4u);
  EXPECT_TRUE((*reader)->damaged());

  Bytes left_out(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(sections[1].offset));
  for (size_t i : {2, 3}) {
    Bytes next = section(i);
    left_out.insert(left_out.end(), next.begin(), next.end());
  }
  reader = OpenBytes(left_out);
  ASSERT_TRUE(reader.ok());
  EXPECT_EQ(ReadRecords(**reader).size(), 1u);
  EXPECT_TRUE((*reader)->damaged());
}

TEST(Archive, AnotherVersionIsRefusedWithASentence) {
  Bytes bytes = SampleArchive(true);
  bytes[archive_format::kVersionOffset] = 9;
  auto reader = OpenBytes(bytes);
  ASSERT_FALSE(reader.ok());
  EXPECT_NE(reader.error().Message().find("version 9"), std::string::npos)
      << reader.error().Message();
}

TEST(Archive, WhatIsNoArchiveIsSaidToBeNone) {
  for (const Bytes& bytes : {Bytes{}, Bytes(100, 'x'), Bytes(3, 'R')}) {
    auto reader = OpenBytes(bytes);
    ASSERT_FALSE(reader.ok());
    EXPECT_NE(reader.error().Message().find("not an archive"), std::string::npos);
  }
}

TEST(Archive, SizesThatLieCostNoMemory) {
  // A section that says it holds 64 MiB (or 4 GiB) and has ten bytes, its checksum right.
  for (uint32_t size : {uint32_t{64 << 20}, UINT32_MAX}) {
    Bytes bytes = SampleArchive(false);
    size_t at = bytes.size();
    bytes.resize(at + kSectionHeaderBytes + 10);
    archive_format::Put<uint16_t>(&bytes[at + archive_format::kKindOffset], 1);
    archive_format::Put<uint16_t>(&bytes[at + archive_format::kFlagsOffset], kSectionCompressed);
    archive_format::Put<uint32_t>(&bytes[at + archive_format::kRawSizeOffset], size);
    archive_format::Put<uint32_t>(&bytes[at + archive_format::kStoredSizeOffset], 10);
    archive_format::Put<uint64_t>(&bytes[at],
                                  archive_format::Checksum(ByteSpan(bytes).subspan(at + 8), at));
    auto reader = OpenBytes(bytes);
    ASSERT_TRUE(reader.ok());
    EXPECT_EQ(ReadRecords(**reader), SampleRecords());  // and not one more
  }
}

TEST(Archive, AGrowingFileShowsWhatIsWhole) {
  Fd file = MemoryFile();
  auto writer = NewArchive(file.get());
  for (size_t i = 1; i <= 5; i++) {
    ASSERT_TRUE(writer->Append(1, Bytes(i * 10, static_cast<uint8_t>(i)), 1).ok());
    auto reader = ArchiveReader::Open(std::make_unique<FileSource>(Fd(dup(file.get())), "test"));
    ASSERT_TRUE(reader.ok());
    EXPECT_EQ((*reader)->records().size(), i);
  }
}

TEST(Archive, AFailedWriteLeavesWholeRecords) {
  Fd sealable(memfd_create("archive", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  auto writer = NewArchive(sealable.get());
  ASSERT_TRUE(writer->Append(1, Bytes(100, 1), 1).ok());
  uint64_t size = writer->size();
  ASSERT_EQ(fcntl(sealable.get(), F_ADD_SEALS, F_SEAL_GROW), 0);
  EXPECT_FALSE(writer->Append(1, Bytes(100, 2), 1).ok());
  EXPECT_FALSE(writer->Append(1, Bytes(1, 2), 1).ok());  // the failure sticks
  EXPECT_EQ(writer->size(), size);
  auto reader = ArchiveReader::Open(std::make_unique<FileSource>(Fd(dup(sealable.get())), "test"));
  ASSERT_TRUE(reader.ok());
  EXPECT_EQ((*reader)->records().size(), 1u);
  EXPECT_FALSE((*reader)->damaged());
}

}  // namespace
}  // namespace retake
