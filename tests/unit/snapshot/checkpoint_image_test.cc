// The image of a checkpoint: every field comes back, shorter and longer ones are read, and what
// makes no sense is refused.
#include "snapshot/checkpoint_image.h"

#include <gtest/gtest.h>

#include <functional>

#include "base/bytes.h"
#include "tests/field_filler.h"

namespace retake {
namespace {

CheckpointImage Filled() {
  CheckpointImage image;
  FieldFiller filler;
  Visit(filler, image);
  return image;
}

std::vector<uint8_t> Encoded(const CheckpointImage& image) {
  ByteWriter out;
  EncodeFields(image, out);
  return out.Take();
}

TEST(CheckpointImage, EveryFieldComesBack) {
  std::vector<uint8_t> bytes = Encoded(Filled());
  CheckpointImage image;
  ByteReader in(bytes);
  DecodeFields(in, image);
  ASSERT_TRUE(in.ok());
  EXPECT_TRUE(in.AtEnd());
  // One field that is left out would be its default, and not written the same.
  EXPECT_EQ(Encoded(image), bytes);
  ASSERT_EQ(image.processes.size(), 2u);
  EXPECT_NE(image.processes[1].tasks[1].registers.words[0], 0u);
  EXPECT_NE(Encoded(CheckpointImage()), bytes);
}

TEST(CheckpointImage, ACutOneIsNoImage) {
  std::vector<uint8_t> bytes = Encoded(Filled());
  for (size_t size = 0; size < bytes.size(); size += 1 + size / 100) {
    CheckpointImage image;
    ByteReader in(ByteSpan(bytes).first(size));
    DecodeFields(in, image);
    EXPECT_FALSE(size > 0 && in.ok()) << size;
  }
}

struct Small {
  uint64_t first = 1;
};
template <typename V>
void Visit(V& visit, Small& small) {
  visit("first", small.first);
}
struct Grown {
  uint64_t first = 1;
  std::string second = "default";
};
template <typename V>
void Visit(V& visit, Grown& grown) {
  visit("first", grown.first);
  visit("second", grown.second);
}

TEST(Fields, GrowByAppending) {
  ByteWriter small;
  EncodeFields(Small{7}, small);
  std::vector<uint8_t> old_bytes = small.Take();
  Grown grown;
  ByteReader from_old(old_bytes);
  DecodeFields(from_old, grown);
  EXPECT_TRUE(from_old.ok());
  EXPECT_EQ(grown.first, 7u);
  EXPECT_EQ(grown.second, "default");

  ByteWriter large;
  EncodeFields(Grown{8, "more"}, large);
  std::vector<uint8_t> new_bytes = large.Take();
  Small shrunk;
  ByteReader from_new(new_bytes);
  DecodeFields(from_new, shrunk);
  EXPECT_TRUE(from_new.ok());
  EXPECT_EQ(shrunk.first, 8u);
}

CheckpointImage Sound() {
  CheckpointImage image;
  image.requirements.page_size = 4096;
  ProcessState process{.pid = 7};
  process.memory = {{.start = 0x1000, .size = 0x2000}, {.start = 0x3000, .size = 0x1000}};
  process.pages = {{0x1000, 0x1000, 0, 0}, {0x2000, 0x2000, kZeroBlock, 0}};
  process.tasks = {{.tid = 7}};
  OpenFile pipe{.kind = FileKind::kPipe};
  pipe.pipe.emplace();
  image.open_files = {pipe};
  process.descriptors.descriptors = {{.number = 0, .file = 0}};
  image.processes = {process};
  return image;
}

TEST(CheckImage, ASoundOne) {
  Status sound = CheckImage(Sound(), 1, 1 << 20);
  EXPECT_TRUE(sound.ok()) << sound.error().Message();
}

TEST(CheckImage, RefusesWhatMakesNoSense) {
  using Change = std::function<void(CheckpointImage&)>;
  auto first = [](CheckpointImage& image) -> ProcessState& { return image.processes[0]; };
  const Change changes[] = {
      [](CheckpointImage& image) { image.requirements.page_size = 0; },
      [](CheckpointImage& image) { image.requirements.page_size = 5000; },
      [](CheckpointImage& image) { image.processes.clear(); },
      [&](CheckpointImage& image) { first(image).pid = 0; },
      [&](CheckpointImage& image) { first(image).parent = 1; },
      [&](CheckpointImage& image) {
        image.processes.push_back(first(image)), image.processes[1].parent = 1;
      },
      [&](CheckpointImage& image) { first(image).tasks.clear(); },
      [&](CheckpointImage& image) { first(image).memory[0].size = 0; },
      [&](CheckpointImage& image) { first(image).memory[0].start = 0x1001; },
      [&](CheckpointImage& image) { first(image).memory[1].start = 0x2000; },
      [&](CheckpointImage& image) { first(image).memory[1].size = ~uint64_t{0xfff}; },
      [&](CheckpointImage& image) { first(image).memory[0].kind = MemoryKind::kFile; },
      [&](CheckpointImage& image) { first(image).memory[0].kind = MemoryKind::kSharedObject; },
      [&](CheckpointImage& image) { first(image).pages[0].block = 1; },
      [&](CheckpointImage& image) { first(image).pages[0].offset = 1 << 20; },
      [&](CheckpointImage& image) { first(image).pages[0].size = 0x3000; },
      [&](CheckpointImage& image) { first(image).pages[1].start = ~uint64_t{0xfff}; },
      // What has ended has no memory that anybody reads; but a damaged image may say so.
      [&](CheckpointImage& image) {
        first(image).condition = ProcessCondition::kZombie, first(image).pages[0].block = 1;
      },
      [&](CheckpointImage& image) {
        image.mapped_files = {{.pages = {{0, 0x1000, 0, 0}}}};
      },
      [&](CheckpointImage& image) {
        image.open_files[0].named = {.size = 0x1000, .pages = {{0, 0x1000, 1, 0}}};
      },
      [&](CheckpointImage& image) {
        first(image).tasks[0].seccomp = {2, {{}}};
      },
      [&](CheckpointImage& image) {
        first(image).tasks[0].seccomp = {2, {{0, std::vector<uint8_t>(12)}}};
      },
      [&](CheckpointImage& image) {
        first(image).tasks[0].seccomp = {2, {{0, std::vector<uint8_t>(40'000)}}};
      },
      [&](CheckpointImage& image) { first(image).descriptors.descriptors[0].file = 1; },
      [&](CheckpointImage& image) { first(image).descriptors.descriptors[0].number = -1; },
      [&](CheckpointImage& image) { image.open_files[0].pipe.reset(); },
      [&](CheckpointImage& image) { image.open_files[0].kind = FileKind::kNameless; },
  };
  for (size_t i = 0; i < std::size(changes); ++i) {
    CheckpointImage image = Sound();
    changes[i](image);
    EXPECT_FALSE(CheckImage(image, 1, 1 << 20).ok()) << "change " << i;
  }
}

}  // namespace
}  // namespace retake
