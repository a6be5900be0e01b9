// The image codec: what goes in comes out; what makes no sense is refused.
#include "snapshot/image.h"

#include <gtest/gtest.h>

#include <random>

namespace retake {
namespace {

class ImageCodec : public testing::TestWithParam<ArchId> {
 protected:
  const ArchDescription& arch() const { return *DescriptionOf(GetParam()); }

  Image Sample() const {
    Image image;
    for (size_t i = 0; i < arch().registers.size(); i++) image.registers.words[i] = ~i;
    image.vector_state.assign(2696, 3);
    image.mappings = {
        {.address = 0x40'0000,
         .size = 0x3000,
         .prot = 5,
         .kind = ImageMapping::Kind::kBlob,
         .object = 2,
         .offset = 0x1000,
         .name = "/a path\nwith \xff bytes"},
        {.address = 0x40'3000, .size = 0x1000, .prot = 3, .kind = ImageMapping::Kind::kShared},
        {.address = 0x7ffc'0000'0000, .size = 0x2'1000, .prot = 3, .grows_down = true},
        {.address = 0xffff'ffff'ff60'0000, .size = 0x1000, .prot = 4},
    };
    image.data.assign(8192, 7);
    image.pages = {{0x7ffc'0002'0000, 4096, 4096}, {0x40'3000, 0, 4096}};
    image.brk_start = 0x60'0000;
    image.stack_limit = ~uint64_t{0};
    image.executable = "/bin/true";
    image.arguments = {"true", "", "\xff"};
    return image;
  }
  std::vector<uint8_t> Encode(const Image& image) const {
    ByteWriter out;
    EncodeImage(image, arch(), out);
    return out.Take();
  }
};

INSTANTIATE_TEST_SUITE_P(BothArchitectures, ImageCodec,
                         testing::Values(ArchId::kX86_64, ArchId::kAarch64),
                         [](const auto& instance) {
                           return std::string(DescriptionOf(instance.param)->name);
                         });

TEST_P(ImageCodec, ComesBackAsItWas) {
  Result<Image> image = DecodeImage(Encode(Sample()), arch());
  ASSERT_TRUE(image.ok()) << image.error().Message();
  EXPECT_EQ(*image, Sample());
  Result<Image> empty = DecodeImage(Encode(Image()), arch());
  ASSERT_TRUE(empty.ok());
  EXPECT_EQ(*empty, Image());
}

TEST_P(ImageCodec, EveryTruncationIsAnError) {
  std::vector<uint8_t> bytes = Encode(Sample());
  for (size_t size = 0; size < bytes.size(); size++) {
    EXPECT_FALSE(DecodeImage(ByteSpan(bytes).first(size), arch()).ok()) << size;
  }
}

TEST_P(ImageCodec, WhatMakesNoSenseIsRefused) {
  auto refused = [&](auto&& spoil) {
    Image image = Sample();
    spoil(image);
    return !DecodeImage(Encode(image), arch()).ok();
  };
  EXPECT_TRUE(refused([](Image& image) { image.mappings[1].address = 0x40'2000; })) << "overlap";
  EXPECT_TRUE(refused([](Image& image) { std::swap(image.mappings[0], image.mappings[2]); }));
  EXPECT_TRUE(refused([](Image& image) { image.mappings[0].size = 0; }));
  EXPECT_TRUE(refused([](Image& image) { image.mappings[0].size = 0x1001; })) << "no whole pages";
  EXPECT_TRUE(refused([](Image& image) { image.mappings[3].size = 0xa0'1000; })) << "wraps";
  EXPECT_TRUE(
      refused([](Image& image) { image.mappings[0].kind = static_cast<ImageMapping::Kind>(9); }));
  EXPECT_TRUE(refused([](Image& image) { image.pages[0].size = 4097; })) << "outside the data";
  EXPECT_TRUE(refused([](Image& image) { image.pages[1].offset = 8192; }));
  EXPECT_TRUE(refused([](Image& image) { image.pages[0].address = ~uint64_t{0}; }));
  EXPECT_FALSE(refused([](Image&) {}));
}

TEST_P(ImageCodec, DamagedBytesNeverCrash) {
  std::mt19937 random(5);
  const std::vector<uint8_t> whole = Encode(Sample());
  for (int round = 0; round < 20000; round++) {
    std::vector<uint8_t> bytes = whole;
    for (int i = 0; i < 3; i++)
      bytes[random() % 400 % bytes.size()] = static_cast<uint8_t>(random());
    Result<Image> image = DecodeImage(bytes, arch());
    if (!image.ok()) continue;
    for (const ImagePages& pages : image->pages) {
      ASSERT_LE(pages.offset + pages.size, image->data.size());
    }
  }
}

}  // namespace
}  // namespace retake
