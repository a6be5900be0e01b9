// The reader of checkpoints. The input is a whole file, whose outer checksums are made right, or,
// if the first byte says so, the image in one: what stands behind checksums and lengths. All that
// can be read is read, and told as `inspect --json` does.
#include <sys/mman.h>
#include <unistd.h>

#include "cli/field_json.h"
#include "fuzzing.h"
#include "snapshot/checkpoint_file.h"

namespace retake {
namespace {

void ReadEverything(const std::string& path) {
  auto checkpoint = CheckpointReader::Open(path);
  if (!checkpoint.ok()) return;
  const CheckpointImage& image = (*checkpoint)->image();
  auto read = [&](const std::vector<PageRange>& ranges) {
    for (const PageRange& range : ranges) {
      if (range.block == kZeroBlock) continue;
      auto bytes = (*checkpoint)->Bytes(range);
      Require(!bytes.ok() || bytes->size() == range.size, "a range has the bytes it says");
    }
  };
  for (const ProcessState& process : image.processes) {
    Require(process.parent < image.processes.size(), "a process has a parent");
    for (const Descriptor& descriptor : process.descriptors.descriptors)
      Require(descriptor.file < image.open_files.size(), "a descriptor's file is there");
    read(process.pages);
  }
  for (const SharedObject& object : image.shared_objects) read(object.pages);
  (void)(*checkpoint)->Verify();
  (void)FieldJson::Of(image, (*checkpoint)->arch())
      .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

// A checkpoint whose image is these bytes.
std::vector<uint8_t> Around(ByteSpan image) {
  Fd file(memfd_create("fuzz", MFD_CLOEXEC));
  Fd copy(dup(file.get()));
  auto writer = ArchiveWriter::Create(std::move(file), "fuzz", ArchiveContent::kCheckpoint, 1);
  Require(writer.ok(), "an archive can be made");
  std::vector<uint8_t> pages(8192, 7);
  Require((*writer)->Append(kPagesRecord, pages, 1).ok(), "a record can be appended");
  Require((*writer)->Append(kImageRecord, image, 1).ok(), "a record can be appended");
  Require((*writer)->Seal().ok(), "an archive can be sealed");
  std::vector<uint8_t> bytes(static_cast<size_t>(lseek(copy.get(), 0, SEEK_END)));
  Require(pread(copy.get(), bytes.data(), bytes.size(), 0) == static_cast<ssize_t>(bytes.size()),
          "it can be read");
  return bytes;
}

}  // namespace
}  // namespace retake

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace retake;
  if (size == 0) return 0;
  std::vector<uint8_t> bytes(data + 1, data + size);
  if (data[0] % 2 == 0) {
    FixChecksums(bytes);
  } else {
    bytes = Around(bytes);
  }
  Fd file(memfd_create("fuzz", MFD_CLOEXEC));
  Require(WriteAt(file.get(), 0, bytes, "fuzz").ok(), "a file can be written");
  ReadEverything(fmt::format("/proc/self/fd/{}", file.get()));
  return 0;
}
