// The per-user cache of notes about code: what it keeps, and what it doesn't trust.
#include "replay/note_cache.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>

#include "trace_testing.h"

namespace retake {
namespace {

namespace fs = std::filesystem;

class NoteCacheTest : public TraceTest {
 protected:
  void SetUp() override {
    TraceTest::SetUp();
    WriteFile(Path("code"), "code");
    Settle(Path("code"));
  }

  struct stat State() const {
    struct stat status {};
    EXPECT_EQ(stat(Path("code").c_str(), &status), 0);
    return status;
  }
  std::optional<std::vector<uint8_t>> Found(std::string_view matter) const {
    auto cache = NoteCache::Open();
    return cache != nullptr ? cache->Find(State(), matter) : std::nullopt;
  }
  std::string OnlyNote() const {
    return fs::directory_iterator(Path("cache/retake/notes"))->path().string();
  }

  std::vector<uint8_t> note_{1, 2, 3};
};

TEST_F(NoteCacheTest, ANoteIsFoundUntilTheFileChanges) {
  EXPECT_FALSE(Found("traps"));
  NoteCache::Open()->Keep(State(), "traps", note_);
  EXPECT_EQ(Found("traps"), note_);
  EXPECT_FALSE(Found("loader"));
  WriteFile(Path("code"), "edoc");
  EXPECT_FALSE(Found("traps"));
}

TEST_F(NoteCacheTest, OfAFileJustWrittenNothingIsKept) {
  WriteFile(Path("code"), "edoc");
  NoteCache::Open()->Keep(State(), "traps", note_);
  EXPECT_FALSE(Found("traps"));
}

TEST_F(NoteCacheTest, WhatIsDamagedOrAnotherBuildsCountsForNothing) {
  NoteCache::Open()->Keep(State(), "traps", note_);
  std::string whole = ReadFile(OnlyNote());
  for (size_t i = 0; i < whole.size(); ++i) {
    std::string damaged = whole;
    damaged[i] ^= 1;
    WriteFile(OnlyNote(), damaged);
    EXPECT_FALSE(Found("traps")) << i;
    WriteFile(OnlyNote(), whole.substr(0, i));
    EXPECT_FALSE(Found("traps")) << i;
  }
  WriteFile(OnlyNote(), whole);
  EXPECT_EQ(Found("traps"), note_);
  EXPECT_TRUE(NoteCache::Open()->Find(State(), "traps"));
  EXPECT_FALSE(NoteCache::Open("another")->Find(State(), "traps"));
}

TEST_F(NoteCacheTest, ACacheThatOthersMayWriteToIsNotUsed) {
  ASSERT_NE(NoteCache::Open(), nullptr);
  for (const char* part : {"cache/retake/notes", "cache/retake"}) {
    ASSERT_EQ(chmod(Path(part).c_str(), 0777), 0);
    EXPECT_EQ(NoteCache::Open(), nullptr) << part;
    ASSERT_EQ(chmod(Path(part).c_str(), 0700), 0);
  }
  EXPECT_NE(NoteCache::Open(), nullptr);
}

TEST_F(NoteCacheTest, ANoteThatIsTooLongIsNotKept) {
  NoteCache::Open()->Keep(State(), "traps", std::vector<uint8_t>(1 << 20));
  EXPECT_TRUE(fs::is_empty(Path("cache/retake/notes")));
}

}  // namespace
}  // namespace retake
