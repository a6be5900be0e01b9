// The image decoder. The first byte chooses the architecture. What can be decoded is encoded again,
// and must decode to the same.
#include "fuzzing.h"
#include "snapshot/image.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace retake;
  if (size == 0) return 0;
  const ArchDescription& arch = data[0] % 2 == 0 ? X86_64Description() : Aarch64Description();
  Result<Image> image = DecodeImage(ByteSpan(data + 1, size - 1), arch);
  if (!image.ok()) return 0;
  uint64_t end = 0;
  for (const ImageMapping& mapping : image->mappings) {
    Require(mapping.address >= end && mapping.address + mapping.size > mapping.address,
            "mappings ascend and don't overlap");
    end = mapping.address + mapping.size;
  }
  for (const ImagePages& pages : image->pages) {
    Require(pages.offset <= image->data.size() && pages.size <= image->data.size() - pages.offset,
            "pages lie inside the image's data");
  }
  ByteWriter out;
  EncodeImage(*image, arch, out);
  Result<Image> again = DecodeImage(out.bytes(), arch);
  Require(again.ok(), "an encoded image can be decoded");
  Require(*again == *image, "an image survives a round trip");
  return 0;
}
