// The image codec. Lists are counted and each element has a length of its own, so that a later
// version may append fields to it; a decoded image is checked as a whole before anyone sees it:
// mappings ascend and don't overlap, pages lie inside the data, nothing wraps around.
#include "snapshot/image.h"

#include "snapshot/register_codec.h"

namespace retake {
namespace {

// The smallest page of either architecture; all sizes are multiples of it.
constexpr uint64_t kSmallestPage = 4096;

bool IsRange(uint64_t address, uint64_t size) { return size > 0 && address + size > address; }

void EncodeMapping(const ImageMapping& mapping, uint64_t previous_end, ByteWriter& out) {
  out.Varint(mapping.address - previous_end);
  out.Varint(mapping.size);
  out.Varint(mapping.prot);
  out.U8(mapping.grows_down ? 1 : 0);
  out.U8(static_cast<uint8_t>(mapping.kind));
  out.Varint(mapping.object);
  out.Varint(mapping.offset);
  out.Text(mapping.name);
}

bool DecodeMapping(ByteReader& in, uint64_t previous_end, ImageMapping& mapping) {
  uint64_t gap = in.Varint();
  mapping.address = previous_end + gap;
  mapping.size = in.Varint();
  uint64_t prot = in.Varint();
  uint8_t grows_down = in.U8();
  uint8_t kind = in.U8();
  uint64_t object = in.Varint();
  mapping.offset = in.Varint();
  mapping.name = in.Text();
  if (!in.ok() || mapping.address < previous_end || !IsRange(mapping.address, mapping.size)) {
    return false;
  }
  if (mapping.address % kSmallestPage != 0 || mapping.size % kSmallestPage != 0) return false;
  if (prot > UINT32_MAX || object > UINT32_MAX || grows_down > 1) return false;
  if (kind < static_cast<uint8_t>(ImageMapping::Kind::kAnonymous) ||
      kind > static_cast<uint8_t>(ImageMapping::Kind::kShared)) {
    return false;
  }
  mapping.prot = static_cast<uint32_t>(prot);
  mapping.grows_down = grows_down != 0;
  mapping.kind = static_cast<ImageMapping::Kind>(kind);
  mapping.object = static_cast<uint32_t>(object);
  return true;
}

}  // namespace

void EncodeImage(const Image& image, const ArchDescription& arch, ByteWriter& out) {
  EncodeRegisters(image.registers, Registers{}, arch, out);
  out.Blob(image.vector_state);
  out.Varint(image.brk_start);
  out.U64(image.stack_limit);  // mostly all ones (unlimited) or a round number
  out.Text(image.executable);
  out.Varint(image.arguments.size());
  for (const std::string& argument : image.arguments) out.Text(argument);

  ByteWriter element;
  uint64_t end = 0;
  out.Varint(image.mappings.size());
  for (const ImageMapping& mapping : image.mappings) {
    element.Clear();
    EncodeMapping(mapping, end, element);
    out.Blob(element.bytes());
    end = mapping.address + mapping.size;
  }

  uint64_t address = 0;
  uint64_t offset = 0;
  out.Varint(image.pages.size());
  for (const ImagePages& pages : image.pages) {
    out.Signed(static_cast<int64_t>(pages.address - address));
    out.Signed(static_cast<int64_t>(pages.offset - offset));
    out.Varint(pages.size);
    address = pages.address + pages.size;
    offset = pages.offset + pages.size;
  }
  out.Blob(image.data);
}

Result<Image> DecodeImage(ByteSpan bytes, const ArchDescription& arch) {
  ByteReader in(bytes);
  Image image;
  DecodeRegisters(in, Registers{}, arch, image.registers);
  ByteSpan vector_state = in.Blob();
  image.vector_state.assign(vector_state.begin(), vector_state.end());
  image.brk_start = in.Varint();
  image.stack_limit = in.U64();
  image.executable = in.Text();
  uint64_t arguments = in.Count();
  for (uint64_t i = 0; i < arguments && in.ok(); i++) image.arguments.push_back(in.Text());

  uint64_t end = 0;
  uint64_t mappings = in.Count(9);  // a length and eight fields of at least a byte
  for (uint64_t i = 0; i < mappings && in.ok(); i++) {
    ByteReader element(in.Blob());
    ImageMapping mapping;
    if (!in.ok() || !DecodeMapping(element, end, mapping)) {
      return MakeError("image is damaged: mapping {} makes no sense", i);
    }
    end = mapping.address + mapping.size;
    image.mappings.push_back(std::move(mapping));
  }

  uint64_t address = 0;
  uint64_t offset = 0;
  uint64_t count = in.Count(3);
  if (in.ok()) image.pages.reserve(count);
  for (uint64_t i = 0; i < count && in.ok(); i++) {
    ImagePages pages;
    pages.address = address + static_cast<uint64_t>(in.Signed());
    pages.offset = offset + static_cast<uint64_t>(in.Signed());
    pages.size = in.Varint();
    if (!in.ok()) break;
    if (!IsRange(pages.address, pages.size)) {
      return MakeError("image is damaged: page run {} makes no sense", i);
    }
    address = pages.address + pages.size;
    offset = pages.offset + pages.size;
    image.pages.push_back(pages);
  }
  ByteSpan data = in.Blob();
  TRY(in.status("image"));
  for (const ImagePages& pages : image.pages) {
    if (pages.offset > data.size() || pages.size > data.size() - pages.offset) {
      return MakeError("image is damaged: a page run lies outside its data");
    }
  }
  image.data.assign(data.begin(), data.end());
  return image;
}

}  // namespace retake
