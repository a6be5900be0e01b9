// The file of a checkpoint: pages come back, the same ones are kept once, nothing appears under the
// name before it is whole.
#include "snapshot/checkpoint_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <random>

namespace retake {
namespace {

namespace fs = std::filesystem;

const uint64_t kPage = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));

class CheckpointFile : public testing::TestWithParam<int> {
 protected:
  CheckpointFile() : directory_(testing::TempDir() + "checkpoint-XXXXXX") {
    EXPECT_NE(mkdtemp(directory_.data()), nullptr);
  }
  ~CheckpointFile() override { fs::remove_all(directory_); }

  std::string path() const { return directory_ + "/image"; }
  size_t files() const {
    return static_cast<size_t>(std::distance(fs::directory_iterator(directory_), {}));
  }
  std::unique_ptr<CheckpointWriter> Writer() {
    auto writer = CheckpointWriter::Create(path(), {.level = GetParam(), .sync = false});
    EXPECT_TRUE(writer.ok());
    return std::move(*writer);
  }
  static std::vector<uint8_t> RandomPages(size_t count, uint32_t seed) {
    std::mt19937 random(seed);
    std::vector<uint8_t> bytes(count * kPage);
    for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random());
    return bytes;
  }
  // The memory of the first process.
  static std::vector<uint8_t> ContentsOf(CheckpointReader& reader, size_t size) {
    std::vector<uint8_t> contents(size);
    for (const PageRange& range : reader.image().processes[0].pages) {
      if (range.block == kZeroBlock) continue;
      auto bytes = reader.Bytes(range);
      EXPECT_TRUE(bytes.ok());
      if (bytes.ok())
        std::ranges::copy(*bytes, contents.begin() + static_cast<ptrdiff_t>(range.start));
    }
    return contents;
  }
  static CheckpointImage ImageOf(std::vector<PageRange> pages, uint64_t size) {
    CheckpointImage image;
    image.requirements.page_size = kPage;
    ProcessState process{.pid = 7};
    process.memory = {{.start = 0, .size = size}};
    process.pages = std::move(pages);
    process.tasks = {{.tid = 7}};
    image.processes = {process};
    return image;
  }

  std::string directory_;
};

INSTANTIATE_TEST_SUITE_P(Levels, CheckpointFile, testing::Values(kStoreOnly, 1, 9));

TEST_P(CheckpointFile, PagesComeBack) {
  // Many blocks, packed side by side; with a run of zeros and a repetition in them.
  std::vector<uint8_t> pages = RandomPages(1500, 1);
  std::fill_n(pages.begin() + static_cast<ptrdiff_t>(700 * kPage), 30 * kPage, 0);
  // At a multiple of what is looked for as one without compression.
  std::copy_n(pages.begin(), 64 * kPage, pages.begin() + static_cast<ptrdiff_t>(896 * kPage));
  auto writer = Writer();
  std::vector<PageRange> ranges;
  ASSERT_TRUE(writer->AddPages(0, pages, /*skip_zeros=*/false, ranges).ok());
  EXPECT_FALSE(fs::exists(path()));
  auto size = writer->Finish(ImageOf(ranges, pages.size()));
  ASSERT_TRUE(size.ok()) << size.error().Message();
  EXPECT_EQ(files(), 1u);
  EXPECT_EQ(*size, fs::file_size(path()));
  // Neither zeros nor repetitions take room; what is random can't be packed.
  EXPECT_GT(*size, 1406 * kPage);
  EXPECT_LT(*size, 1416 * kPage);

  auto reader = CheckpointReader::Open(path());
  ASSERT_TRUE(reader.ok()) << reader.error().Message();
  EXPECT_EQ(ContentsOf(**reader, pages.size()), pages);
  EXPECT_TRUE((*reader)->Verify().ok());
}

// Bytes in pieces, some of two stretches, which take long enough to be read side by side.
class Pieces : public PageSource {
 public:
  explicit Pieces(ByteSpan bytes) : bytes_(bytes) {}
  size_t pieces() const override { return bytes_.size() / kPagesAtOnce; }
  Status Read(size_t piece, std::vector<uint8_t>& room, std::vector<Stretch>& out) override {
    if (piece == failing_) return MakeError("piece {}", piece);
    ByteSpan bytes = bytes_.subspan(piece * kPagesAtOnce, kPagesAtOnce);
    room.assign(bytes.begin(), bytes.end());
    size_t half = piece % 2 * kPagesAtOnce / 2;
    if (half > 0) out.push_back({piece * kPagesAtOnce, ByteSpan(room).first(half), false});
    out.push_back({piece * kPagesAtOnce + half, ByteSpan(room).subspan(half), false});
    // The threads come to hold blocks at the same time, whichever begins.
    usleep(500);
    return {};
  }
  void FailAt(size_t piece) { failing_ = piece; }

 private:
  ByteSpan bytes_;
  size_t failing_ = ~size_t{0};
};

TEST_P(CheckpointFile, ThreadsKeepPagesSideBySide) {
  std::vector<uint8_t> pages = RandomPages(64 * kPagesAtOnce / kPage, 6);
  // Some again, each a multiple of what is looked for away.
  std::copy_n(pages.begin(), 2 * kPagesAtOnce, pages.begin() + 40 * kPagesAtOnce);
  auto writer = Writer();
  Pieces source(pages);
  std::vector<PageRange> ranges;
  ASSERT_TRUE(writer->AddPages(source, ranges).ok());
  EXPECT_TRUE(std::ranges::is_sorted(ranges, {}, &PageRange::start));
  auto size = writer->Finish(ImageOf(ranges, pages.size()));
  ASSERT_TRUE(size.ok()) << size.error().Message();
  EXPECT_GT(*size, 62 * kPagesAtOnce);
  EXPECT_LT(*size, 62 * kPagesAtOnce + 4096);
  auto reader = CheckpointReader::Open(path());
  ASSERT_TRUE(reader.ok()) << reader.error().Message();
  EXPECT_EQ(ContentsOf(**reader, pages.size()), pages);
  EXPECT_TRUE((*reader)->Verify().ok());
}

TEST_P(CheckpointFile, APieceThatCantBeReadEndsIt) {
  std::vector<uint8_t> pages = RandomPages(64 * kPagesAtOnce / kPage, 7);
  auto writer = Writer();
  Pieces source(pages);
  source.FailAt(30);
  std::vector<PageRange> ranges;
  Status added = writer->AddPages(source, ranges);
  ASSERT_FALSE(added.ok());
  EXPECT_EQ(added.error().Message(), "piece 30");
}

TEST_P(CheckpointFile, ThreadsReadBlocksSideBySide) {
  std::vector<uint8_t> pages = RandomPages(20 * kPageBlockBytes / kPage, 9);
  auto writer = Writer();
  std::vector<PageRange> ranges;
  ASSERT_TRUE(writer->AddPages(0, pages, false, ranges).ok());
  ASSERT_TRUE(writer->Finish(ImageOf(ranges, pages.size())).ok());
  auto reader = CheckpointReader::Open(path());
  ASSERT_TRUE(reader.ok()) << reader.error().Message();
  std::vector<uint8_t> contents(pages.size());
  auto copy = [&](std::span<const PageRange> of_block, PageReader& from) -> Status {
    for (const PageRange& range : of_block) {
      EXPECT_EQ(range.block, of_block[0].block);
      ByteSpan bytes = TRY(from.Bytes(range));
      std::ranges::copy(bytes, contents.begin() + static_cast<ptrdiff_t>(range.start));
    }
    return {};
  };
  EXPECT_TRUE((*reader)->ReadByBlock(ranges, copy).ok());
  EXPECT_EQ(contents, pages);

  // A block that is damaged, whichever thread reads it.
  Fd file(open(path().c_str(), O_RDWR | O_CLOEXEC));
  uint8_t other = static_cast<uint8_t>(~pages[11 * kPageBlockBytes]);
  ASSERT_EQ(pwrite(file.get(), &other, 1, 11 * static_cast<off_t>(kPageBlockBytes)), 1);
  EXPECT_FALSE((*reader)->ReadByBlock(ranges, copy).ok());
}

// Blocks whose numbers aren't in the order in which they stand in the file.
TEST_P(CheckpointFile, AnOrderThatIsNoneIsDamage) {
  std::vector<uint8_t> pages = RandomPages(2 * kPageBlockBytes / kPage, 8);
  ByteSpan halves[] = {ByteSpan(pages).subspan(kPageBlockBytes),
                       ByteSpan(pages).first(kPageBlockBytes)};
  std::vector<PageRange> ranges = {{0, kPageBlockBytes, 0, 0},
                                   {kPageBlockBytes, kPageBlockBytes, 1, 0}};
  auto open = [&](std::vector<uint32_t> numbers) {
    Fd file(::open(path().c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    auto archive = ArchiveWriter::Create(std::move(file), path(), ArchiveContent::kCheckpoint,
                                         static_cast<uint8_t>(HostArch().id));
    EXPECT_TRUE(archive.ok());
    for (ByteSpan half : halves)
      EXPECT_TRUE((*archive)->Append(kPagesRecord, half, GetParam()).ok());
    EXPECT_TRUE((*archive)
                    ->Append(kOrderRecord,
                             {reinterpret_cast<const uint8_t*>(numbers.data()),
                              numbers.size() * sizeof numbers[0]},
                             1)
                    .ok());
    ByteWriter image;
    EncodeFields(ImageOf(ranges, pages.size()), image);
    EXPECT_TRUE((*archive)->Append(kImageRecord, image.bytes(), 1).ok());
    EXPECT_TRUE((*archive)->Seal().ok());
    return CheckpointReader::Open(path());
  };
  auto reader = open({1, 0});
  ASSERT_TRUE(reader.ok()) << reader.error().Message();
  EXPECT_EQ(ContentsOf(**reader, pages.size()), pages);
  using Numbers = std::vector<uint32_t>;
  for (const Numbers& numbers : {Numbers{}, Numbers{1}, {0, 0}, {1, 2}, {1, ~0U}, {1, 0, 0}})
    EXPECT_FALSE(open(numbers).ok()) << testing::PrintToString(numbers);
}

TEST_P(CheckpointFile, ZerosAreLeftOutWhereAsked) {
  std::vector<uint8_t> zeros(8 * kPage);
  auto writer = Writer();
  std::vector<PageRange> left_out, said;
  ASSERT_TRUE(writer->AddPages(0, zeros, /*skip_zeros=*/true, left_out).ok());
  ASSERT_TRUE(writer->AddPages(0, zeros, /*skip_zeros=*/false, said).ok());
  EXPECT_TRUE(left_out.empty());
  ASSERT_EQ(said.size(), 1u);
  EXPECT_EQ(said[0].block, kZeroBlock);
  EXPECT_EQ(said[0].size, zeros.size());
}

// They are looked for one by one to make a file small, and many at once to have few ranges.
TEST_P(CheckpointFile, EveryOtherPageIsKnown) {
  std::vector<uint8_t> pages = RandomPages(1024, 5);
  for (size_t page = 0; page < 1024; page += 2)
    std::fill_n(pages.begin() + static_cast<ptrdiff_t>(page * kPage), kPage, 1);
  auto writer = Writer();
  std::vector<PageRange> ranges;
  ASSERT_TRUE(writer->AddPages(0, pages, /*skip_zeros=*/true, ranges).ok());
  auto size = writer->Finish(ImageOf(ranges, pages.size()));
  ASSERT_TRUE(size.ok()) << size.error().Message();
  if (GetParam() == kStoreOnly) {
    EXPECT_LT(ranges.size(), 10u);
    EXPECT_GT(*size, 1024 * kPage);
  } else {
    EXPECT_GT(ranges.size(), 1000u);
    EXPECT_LT(*size, 520 * kPage);
  }
}

TEST_P(CheckpointFile, AnAbandonedOneLeavesNothing) {
  {
    std::ofstream(path()) << "what was there";
    auto writer = Writer();
    std::vector<PageRange> ranges;
    ASSERT_TRUE(writer->AddPages(0, RandomPages(600, 2), false, ranges).ok());
  }
  EXPECT_EQ(files(), 1u);
  EXPECT_EQ(fs::file_size(path()), 14u);
}

TEST_P(CheckpointFile, EveryDamageIsFound) {
  auto writer = Writer();
  std::vector<PageRange> ranges;
  std::vector<uint8_t> pages = RandomPages(20, 3);
  ASSERT_TRUE(writer->AddPages(0, pages, false, ranges).ok());
  ASSERT_TRUE(writer->Finish(ImageOf(ranges, pages.size())).ok());
  writer.reset();
  uint64_t size = fs::file_size(path());
  std::mt19937 random(4);
  for (int i = 0; i < 100; ++i) {
    auto at = static_cast<off_t>(random() % size);
    Fd file(open(path().c_str(), O_RDWR | O_CLOEXEC));
    uint8_t byte = 0;
    ASSERT_EQ(pread(file.get(), &byte, 1, at), 1);
    uint8_t changed = byte ^ static_cast<uint8_t>(1 << random() % 8);
    ASSERT_EQ(pwrite(file.get(), &changed, 1, at), 1);
    auto reader = CheckpointReader::Open(path());
    EXPECT_FALSE(reader.ok() && (*reader)->Verify().ok()) << "byte " << at;
    ASSERT_EQ(pwrite(file.get(), &byte, 1, at), 1);
  }
  for (uint64_t cut : {uint64_t{0}, uint64_t{1}, size / 2, size - 1}) {
    fs::resize_file(path(), cut);
    EXPECT_FALSE(CheckpointReader::Open(path()).ok()) << "cut to " << cut;
  }
}

}  // namespace
}  // namespace retake
