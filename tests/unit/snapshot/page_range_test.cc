// Ranges of pages as a checkpoint keeps them: they come back, and what is damaged is refused.
#include "snapshot/page_range.h"

#include <gtest/gtest.h>

#include <random>
#include <tuple>

#include "base/bytes.h"

namespace retake {
namespace {

bool operator==(const PageRange& a, const PageRange& b) {
  return std::tie(a.start, a.size, a.block, a.offset) ==
         std::tie(b.start, b.size, b.block, b.offset);
}

std::vector<uint8_t> Encoded(const std::vector<PageRange>& ranges) {
  ByteWriter out;
  EncodeAll(ranges, out);
  return out.Take();
}

TEST(PageRanges, ComeBack) {
  std::mt19937_64 random(1);
  std::vector<std::vector<PageRange>> cases = {
      {},
      {{0, 0, 0, 0}},
      {{~uint64_t{0}, ~uint64_t{0}, kZeroBlock, ~uint32_t{0}}},
      // Descending and overlapping ones make no sense; that is for others to say.
      {{0x5000, 0x1000, 3, 0}, {0x1000, 0x9000, 2, 0x1000}},
  };
  auto& many = cases.emplace_back();
  uint64_t at = 0x10000;
  for (int i = 0; i < 10'000; ++i) {
    uint64_t size = random() % 4 == 0 ? random() % 64 * 0x1000 : 0x1000;
    auto block = static_cast<uint32_t>(random() % 3 == 0 ? i / 256 : random() % 40);
    many.push_back({at, size, random() % 9 == 0 ? kZeroBlock : block,
                    static_cast<uint32_t>(random() % 256 * 0x1000)});
    at += size + (random() % 2 == 0 ? random() % 1000 * 0x1000 : 0);
  }
  for (const auto& ranges : cases) {
    std::vector<uint8_t> bytes = Encoded(ranges);
    ByteReader in(bytes);
    std::vector<PageRange> back = {{1, 2, 3, 4}};
    DecodeAll(in, back);
    ASSERT_TRUE(in.ok());
    EXPECT_TRUE(in.AtEnd());
    ASSERT_EQ(back.size(), ranges.size());
    for (size_t i = 0; i < back.size(); ++i) EXPECT_TRUE(back[i] == ranges[i]) << i;
  }
}

TEST(PageRanges, ThoseThatFollowEachOtherTakeAByte) {
  std::vector<PageRange> ranges;
  for (uint32_t i = 0; i < 200; ++i) ranges.push_back({i * 0x1000, 0x1000, 7, i * 0x1000});
  EXPECT_LE(Encoded(ranges).size(), 220U);
}

TEST(PageRanges, DamageIsRefusedAndTakesNoMemory) {
  auto fails = [](std::vector<uint8_t> bytes) {
    ByteReader in(bytes);
    std::vector<PageRange> ranges;
    DecodeAll(in, ranges);
    EXPECT_LE(ranges.capacity(), bytes.size());
    return !in.ok();
  };
  EXPECT_TRUE(fails({}));
  // Many, of which there is one; an unknown flag; a block of more than 32 bits.
  EXPECT_TRUE(fails({0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 15}));
  EXPECT_TRUE(fails({1, 16}));
  EXPECT_TRUE(fails({1, 11, 0xff, 0xff, 0xff, 0xff, 0x1f}));
  std::vector<uint8_t> whole = Encoded({{0x5000, 0x1000, 3, 0}, {0x9000, 0x2000, 4, 0x1000}});
  for (size_t size = 0; size < whole.size(); ++size)
    EXPECT_TRUE(fails({whole.begin(), whole.begin() + static_cast<ptrdiff_t>(size)})) << size;
}

}  // namespace
}  // namespace retake
