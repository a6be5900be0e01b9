// The archive reader. The first byte says whether the checksums are made right first. What can be
// read is written again, and must read the same.
#include <sys/mman.h>

#include "fuzzing.h"

namespace retake {
namespace {

constexpr uint64_t kLimit = 64 << 20;  // of a record

std::vector<std::vector<uint8_t>> ReadRecords(ArchiveReader& reader) {
  std::vector<std::vector<uint8_t>> records;
  uint64_t total = 0;
  for (const RecordInfo& record : reader.records()) {
    std::vector<uint8_t> bytes;
    if (reader.Read(record, bytes, kLimit).ok()) {
      Require(bytes.size() == record.raw_size, "a record has the size that its sections say");
    }
    total += bytes.size();
    if (total > kLimit) break;  // keep within the fuzzer's memory
    records.push_back(std::move(bytes));
  }
  return records;
}

void WriteAgain(const std::vector<std::vector<uint8_t>>& records) {
  Fd file(memfd_create("fuzz", MFD_CLOEXEC));
  auto writer = ArchiveWriter::Create(std::move(file), "fuzz", ArchiveContent::kEvents, 1);
  Require(writer.ok(), "an archive can be made");
  for (const auto& record : records) {
    Require((*writer)->Append(1, record, 1).ok(), "a record can be appended");
  }
  Require((*writer)->Seal().ok(), "an archive can be sealed");
  Fd copy(dup((*writer)->fd()));
  auto reader = ArchiveReader::Open(std::make_unique<FileSource>(std::move(copy), "fuzz"));
  Require(reader.ok() && (*reader)->sealed(), "what was written can be read");
  Require(ReadRecords(**reader) == records, "what was written reads the same");
}

}  // namespace
}  // namespace retake

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace retake;
  if (size == 0) return 0;
  std::vector<uint8_t> bytes(data + 1, data + size);
  if (data[0] % 4 != 0) FixChecksums(bytes);
  auto reader = ArchiveReader::Open(std::make_unique<MemorySource>(bytes, "fuzz"));
  if (!reader.ok()) return 0;
  std::vector<std::vector<uint8_t>> records = ReadRecords(**reader);
  size_t total = 0;
  for (const auto& record : records) total += record.size();
  if (total < 1 << 20) WriteAgain(records);
  Require((*reader)->Scan().ok(), "a file that opened can be scanned");
  ReadRecords(**reader);
  return 0;
}
