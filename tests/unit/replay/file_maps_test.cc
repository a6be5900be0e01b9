// Which parts of memory show which parts of a file, through unmaps in the middle, moves and growth.
#include "replay/file_maps.h"

#include <gtest/gtest.h>

namespace retake {
namespace {

constexpr uint64_t kPage = 4096;
const FileId kFile{8, 77};

FileMap Map(uint64_t page, uint64_t pages, uint64_t file_page, bool shared = false) {
  return {page * kPage, pages * kPage, file_page * kPage, kFile, shared, false, 5};
}

const FileMap* At(const FileMaps& maps, uint64_t page) {
  for (const FileMap& map : maps.all()) {
    if (map.address <= page * kPage && page * kPage < map.end()) return &map;
  }
  return nullptr;
}

// The page of the file that a page of memory shows; -1 for none.
int64_t FilePage(const FileMaps& maps, uint64_t page) {
  const FileMap* map = At(maps, page);
  return map == nullptr ? -1
                        : static_cast<int64_t>((map->offset + page * kPage - map->address) / kPage);
}

TEST(FileMaps, AnUnmapInTheMiddleLeavesBothEnds) {
  FileMaps maps;
  maps.Map(Map(10, 6, 100));
  maps.Unmap(12 * kPage, 2 * kPage);
  EXPECT_EQ(FilePage(maps, 11), 101);
  EXPECT_EQ(FilePage(maps, 12), -1);
  EXPECT_EQ(FilePage(maps, 13), -1);
  EXPECT_EQ(FilePage(maps, 14), 104);
  EXPECT_EQ(FilePage(maps, 16), -1);
}

TEST(FileMaps, ANewMapReplacesWhatItCovers) {
  FileMaps maps;
  maps.Map(Map(10, 4, 0));
  maps.Map(Map(12, 4, 50));
  EXPECT_EQ(FilePage(maps, 11), 1);
  EXPECT_EQ(FilePage(maps, 12), 50);
  EXPECT_EQ(FilePage(maps, 15), 53);
}

TEST(FileMaps, AMoveKeepsWhatIsShownAndGrowthShowsMore) {
  FileMaps maps;
  maps.Map(Map(10, 4, 20));
  maps.Remap(10 * kPage, 4 * kPage, 100 * kPage, 6 * kPage);
  EXPECT_EQ(FilePage(maps, 10), -1);
  EXPECT_EQ(FilePage(maps, 100), 20);
  EXPECT_EQ(FilePage(maps, 105), 25);
  EXPECT_EQ(FilePage(maps, 106), -1);
}

TEST(FileMaps, AMoveThatShrinksDropsTheEnd) {
  FileMaps maps;
  maps.Map(Map(10, 4, 20));
  maps.Remap(10 * kPage, 4 * kPage, 10 * kPage, 2 * kPage);
  EXPECT_EQ(FilePage(maps, 11), 21);
  EXPECT_EQ(FilePage(maps, 12), -1);
}

TEST(FileMaps, FindsWhatIsShared) {
  FileMaps maps;
  maps.Map(Map(10, 1, 0));
  EXPECT_FALSE(maps.HasWritableShared());
  FileMap shared = Map(20, 1, 0, true);
  maps.Map(shared);
  EXPECT_FALSE(maps.HasWritableShared());
  shared.writable = true;
  maps.Map(shared);
  EXPECT_TRUE(maps.HasWritableShared());
  ASSERT_NE(maps.Find(20 * kPage + 1), nullptr);
  EXPECT_EQ(maps.Find(20 * kPage + 1)->address, 20 * kPage);
  maps.Unmap(20 * kPage, kPage);
  EXPECT_FALSE(maps.HasWritableShared());
  EXPECT_EQ(maps.Find(20 * kPage + 1), nullptr);
}

}  // namespace
}  // namespace retake
