// Which pages exist, asked in both ways: alike, and in little time and memory for a huge mapping.
#include "tracee/own_pages.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

namespace retake {
namespace {

const uint64_t kPageSize = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));

class OwnPagesTest : public ::testing::TestWithParam<bool> {
 protected:
  ~OwnPagesTest() override {
    for (auto [memory, size] : mapped_) munmap(memory, size);
  }

  uint64_t Map(size_t size, int flags, int fd = -1) {
    void* memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, flags, fd, 0);
    EXPECT_NE(memory, MAP_FAILED);
    mapped_.emplace_back(memory, size);
    return reinterpret_cast<uint64_t>(memory);
  }
  uint64_t MapAnonymous(uint64_t size) {
    return Map(size, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE);
  }
  static void Write(uint64_t address) { *reinterpret_cast<volatile char*>(address) = 1; }
  static char Read(uint64_t address) { return *reinterpret_cast<volatile char*>(address); }

  static std::vector<PageRun> In(uint64_t start, uint64_t end) {
    auto pages = OwnPages::Of(getpid(), GetParam());
    EXPECT_TRUE(pages.ok()) << pages.error().Message();
    auto runs = pages->In(start, end);
    EXPECT_TRUE(runs.ok()) << runs.error().Message();
    return *runs;
  }

 private:
  std::vector<std::pair<void*, size_t>> mapped_;
};

TEST_P(OwnPagesTest, RunsAreJoinedAndClipped) {
  uint64_t at = MapAnonymous(16 * kPageSize);
  madvise(reinterpret_cast<void*>(at), 16 * kPageSize, MADV_NOHUGEPAGE);
  for (uint64_t page : {1, 2, 3, 7}) Write(at + page * kPageSize);
  EXPECT_EQ(In(at, at + 16 * kPageSize),
            (std::vector<PageRun>{{at + kPageSize, at + 4 * kPageSize},
                                  {at + 7 * kPageSize, at + 8 * kPageSize}}));
  EXPECT_EQ(In(at + 2 * kPageSize, at + 7 * kPageSize),
            (std::vector<PageRun>{{at + 2 * kPageSize, at + 4 * kPageSize}}));
  EXPECT_EQ(In(at + 8 * kPageSize, at + 16 * kPageSize), std::vector<PageRun>());
}

TEST_P(OwnPagesTest, AFilesPagesAreTheFiles) {
  FILE* file = tmpfile();
  ASSERT_NE(file, nullptr);
  ASSERT_EQ(ftruncate(fileno(file), static_cast<off_t>(4 * kPageSize)), 0);
  uint64_t at = Map(4 * kPageSize, MAP_PRIVATE, fileno(file));
  for (uint64_t page : {0, 1, 2}) (void)Read(at + page * kPageSize);
  Write(at + 2 * kPageSize);
  EXPECT_EQ(In(at, at + 4 * kPageSize),
            (std::vector<PageRun>{{at + 2 * kPageSize, at + 3 * kPageSize}}));
  fclose(file);
}

TEST_P(OwnPagesTest, MoreRunsThanOneAskingGives) {
  constexpr uint64_t kRuns = 1000;
  uint64_t at = MapAnonymous(2 * kRuns * kPageSize);
  madvise(reinterpret_cast<void*>(at), 2 * kRuns * kPageSize, MADV_NOHUGEPAGE);
  for (uint64_t i = 0; i < kRuns; ++i) Write(at + 2 * i * kPageSize);
  auto runs = In(at, at + 2 * kRuns * kPageSize);
  ASSERT_EQ(runs.size(), kRuns);
  for (uint64_t i = 0; i < kRuns; ++i) {
    EXPECT_EQ(runs[i], (PageRun{at + 2 * i * kPageSize, at + (2 * i + 1) * kPageSize}));
  }
}

TEST_P(OwnPagesTest, AHugeMappingTakesNoMemory) {
  // A sanitizer's shadow is fourteen times this, of which without PAGEMAP_SCAN each page is read.
  constexpr uint64_t kSize = uint64_t{1} << 38;
  uint64_t at = MapAnonymous(kSize);
  madvise(reinterpret_cast<void*>(at), kSize, MADV_NOHUGEPAGE);
  Write(at + kSize / 2);
  Write(at + kSize - kPageSize);
  EXPECT_EQ(In(at, at + kSize), (std::vector<PageRun>{{at + kSize / 2, at + kSize / 2 + kPageSize},
                                                      {at + kSize - kPageSize, at + kSize}}));
}

INSTANTIATE_TEST_SUITE_P(Ways, OwnPagesTest, ::testing::Bool(),
                         [](const auto& test) { return test.param ? "Scanned" : "Read"; });

}  // namespace
}  // namespace retake
