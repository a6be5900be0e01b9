// Pages that are still to come, taken, cut and moved; against a plain table of all of them.
#include "snapshot/pending_pages.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

namespace retake {
namespace {

constexpr uint64_t kPage = 0x1000;

// Where each page is to come from.
using Table = std::map<uint64_t, std::pair<uint32_t, uint32_t>>;

Table TableOf(const std::vector<PageRange>& ranges) {
  Table table;
  for (const PageRange& range : ranges) {
    for (uint64_t at = 0; at < range.size; at += kPage)
      table[range.start + at] = {range.block, range.offset + static_cast<uint32_t>(at)};
  }
  return table;
}

std::vector<PageRange> SomeRanges() {
  return {{0x10000, 3 * kPage, 2, 0},
          {0x13000, kPage, 0, 0x5000},
          {0x20000, 4 * kPage, 1, 0x8000},
          {0x30000, 2 * kPage, 0, 0}};
}

TEST(PendingPages, ComeByBlock) {
  std::vector<PageRange> ranges = SomeRanges();
  std::span<const PageRange> runs[] = {std::span(ranges).first(2), std::span(ranges).last(2)};
  PendingPages pending{runs};
  std::vector<uint64_t> order;
  while (!pending.empty()) {
    PageRange next = pending.Next();
    order.push_back(next.start);
    EXPECT_EQ(TableOf(pending.Take(next.start, next.start + next.size)), TableOf({next}));
  }
  EXPECT_EQ(order, (std::vector<uint64_t>{0x13000, 0x30000, 0x20000, 0x10000}));
}

TEST(PendingPages, AreFoundByAddress) {
  std::vector<PageRange> ranges = SomeRanges();
  std::span<const PageRange> run(ranges);
  PendingPages pending({&run, 1});
  EXPECT_EQ(pending.At(0xf000), std::nullopt);
  EXPECT_EQ(pending.At(0x12000)->start, 0x10000U);
  EXPECT_EQ(pending.At(0x13fff)->start, 0x13000U);
  EXPECT_EQ(pending.At(0x14000), std::nullopt);
  EXPECT_EQ(pending.At(~uint64_t{0}), std::nullopt);
  // Of a range that is cut, the parts.
  EXPECT_EQ(TableOf(pending.Take(0x11000, 0x12000)), (Table{{0x11000, {2, 0x1000}}}));
  EXPECT_EQ(pending.At(0x11000), std::nullopt);
  EXPECT_EQ(pending.At(0x10000)->size, kPage);
  EXPECT_EQ(pending.At(0x12000)->offset, 0x2000U);
  // A copy is a world of its own.
  PendingPages copy = pending;
  copy.Take(0, ~uint64_t{0});
  EXPECT_TRUE(copy.empty());
  EXPECT_TRUE(pending.At(0x20000).has_value());
}

TEST(PendingPages, WhateverIsDoneToThem) {
  std::mt19937_64 random(11);
  for (int round = 0; round < 300; ++round) {
    std::vector<PageRange> ranges;
    uint64_t at = 0x100000;
    for (uint32_t i = 0; i < 40; ++i) {
      at += random() % 3 * kPage;
      uint64_t size = (1 + random() % 5) * kPage;
      ranges.push_back({at, size, static_cast<uint32_t>(random() % 6),
                        static_cast<uint32_t>(random() % 64 * kPage)});
      at += size;
    }
    Table table = TableOf(ranges);
    std::span<const PageRange> run(ranges);
    PendingPages pending({&run, 1});
    while (!pending.empty()) {
      ASSERT_FALSE(table.empty());
      PageRange next = pending.Next();
      ASSERT_TRUE(table.contains(next.start));
      uint64_t start = 0x100000 + random() % 200 * kPage;
      uint64_t end = start + random() % 20 * kPage;
      if (random() % 4 == 0) start = next.start, end = next.start + next.size;
      Table expected(table.lower_bound(start), table.lower_bound(std::max(start, end)));
      std::vector<PageRange> taken = pending.Take(start, end);
      ASSERT_EQ(TableOf(taken), expected);
      for (const auto& entry : expected) table.erase(entry.first);
      // Now and then it is moved, to where nothing is.
      if (random() % 3 != 0) continue;
      uint64_t distance = (0x1000 + random() % 0x1000) * kPage * 0x100;
      for (PageRange range : taken) {
        range.start += distance;
        if (table.contains(range.start)) continue;
        bool is_free = true;
        for (const auto& entry : TableOf({range}))
          is_free = is_free && !table.contains(entry.first);
        if (!is_free) continue;
        pending.Put(range);
        table.merge(TableOf({range}));
      }
      uint64_t probe = 0x100000 + random() % 200 * kPage;
      auto found = pending.At(probe);
      ASSERT_EQ(found.has_value(), table.contains(probe));
      if (found) {
        EXPECT_EQ(found->offset + (probe - found->start), table[probe].second);
      }
    }
    EXPECT_TRUE(table.empty());
  }
}

}  // namespace
}  // namespace retake
