// What of a process's memory may come after it has begun to run.
#include <gtest/gtest.h>

#include "snapshot/pager.h"

namespace retake {
namespace {

constexpr uint64_t kPage = 0x1000, kLarge = 32 << 20;

class LazyMemoryTest : public testing::Test {
 protected:
  MemoryRegion& AddRegion(uint64_t start, uint64_t size) {
    return state_.memory.emplace_back(MemoryRegion{.start = start, .size = size});
  }
  void AddPages(uint64_t start, uint64_t size, uint32_t block) {
    state_.pages.push_back({start, size, block, 0});
  }
  void Choose() { lazy_ = ChooseLazyMemory(state_, at_once_); }

  ProcessState state_;
  LazyMemory lazy_;
  std::vector<PageRange> at_once_;
};

TEST_F(LazyMemoryTest, LargeAnonymousMemoryComesLater) {
  AddRegion(0x10000, kPage).kind = MemoryKind::kFile;
  AddRegion(0x100'0000, 2 * kLarge);
  AddRegion(0x7000'0000, kLarge).flags = kGrowsDown;
  AddPages(0x10000, kPage, 0);
  AddPages(0x100'0000, kLarge, 1);
  AddPages(0x100'0000 + kLarge, kPage, 2);
  // Zeros in the midst are there by themselves.
  AddPages(0x100'0000 + kLarge + kPage, kPage, kZeroBlock);
  AddPages(0x100'0000 + kLarge + 2 * kPage, kPage, 3);
  AddPages(0x7000'0000, kPage, 4);
  AddPages(0x7000'0000 + kPage, kPage, kZeroBlock);
  Choose();
  ASSERT_EQ(lazy_.regions.size(), 1U);
  EXPECT_EQ(lazy_.regions[0], &state_.memory[1]);
  ASSERT_EQ(lazy_.pages.size(), 2U);
  EXPECT_EQ(lazy_.pages[0].data(), &state_.pages[1]);
  EXPECT_EQ(lazy_.pages[0].size(), 2U);
  EXPECT_EQ(lazy_.pages[1].data(), &state_.pages[4]);
  EXPECT_EQ(lazy_.pages[1].size(), 1U);
  std::vector<uint32_t> blocks;
  for (const PageRange& range : at_once_) blocks.push_back(range.block);
  EXPECT_EQ(blocks, (std::vector<uint32_t>{0, 4, kZeroBlock}));
}

TEST_F(LazyMemoryTest, LittleMemoryComesAtOnce) {
  AddRegion(0x100'0000, kLarge);
  AddPages(0x100'0000, kPage, 1);
  AddPages(0x100'0000 + kPage, kPage, kZeroBlock);
  Choose();
  EXPECT_TRUE(lazy_.pages.empty());
  EXPECT_EQ(at_once_.size(), 2U);
}

TEST_F(LazyMemoryTest, PagesThatNoMappingHasAreToldOfAtOnce) {
  AddRegion(0x100'0000, kLarge);
  AddRegion(0x4000'0000, kLarge).flags = kLocked;
  AddPages(0x100'0000, kLarge, 1);
  // Across two mappings, and behind all: an image that says so is refused where they are filled.
  AddPages(0x3fff'f000, 2 * kPage, 2);
  AddPages(0x9000'0000, kPage, 3);
  Choose();
  EXPECT_EQ(lazy_.regions.size(), 1U);
  EXPECT_EQ(at_once_.size(), 2U);
}

TEST_F(LazyMemoryTest, GuardPagesComeAtOnce) {
  AddRegion(0x100'0000, kLarge);
  AddPages(0x100'0000, kLarge, 1);
  state_.guards = {{.start = 0x100'0000 + 4 * kPage, .size = kPage}};
  Choose();
  EXPECT_TRUE(lazy_.pages.empty());
  EXPECT_EQ(at_once_.size(), 1U);
}

}  // namespace
}  // namespace retake
