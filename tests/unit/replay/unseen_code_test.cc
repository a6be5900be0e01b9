// What of a process's memory is still to be looked at before it is executed.
#include "replay/unseen_code.h"

#include <gtest/gtest.h>

namespace retake {
namespace {

constexpr uint64_t kPage = 4096;

// What is withheld at a page, or -1.
int At(const UnseenCode& code, uint64_t page) {
  auto prot = code.ProtectionAt(page * kPage + 7);
  return prot ? static_cast<int>(*prot) : -1;
}

TEST(UnseenCode, KnowsWhatWasAdded) {
  UnseenCode code;
  EXPECT_EQ(At(code, 10), -1);
  code.Add(10 * kPage, 4 * kPage, 7);
  code.Add(14 * kPage, kPage, 5);
  EXPECT_EQ(At(code, 9), -1);
  EXPECT_EQ(At(code, 10), 7);
  EXPECT_EQ(At(code, 13), 7);
  EXPECT_EQ(At(code, 14), 5);
  EXPECT_EQ(At(code, 15), -1);
  code.Add(12 * kPage, 2 * kPage, 5);
  EXPECT_EQ(At(code, 11), 7);
  EXPECT_EQ(At(code, 12), 5);
}

TEST(UnseenCode, RemovalSplits) {
  UnseenCode code;
  code.Add(10 * kPage, 10 * kPage, 7);
  code.Remove(12 * kPage, kPage);
  code.Remove(15 * kPage, 2 * kPage);
  code.Remove(19 * kPage, 5 * kPage);
  code.Remove(5 * kPage, 6 * kPage);
  for (uint64_t page : {10, 12, 15, 16, 19}) EXPECT_EQ(At(code, page), -1) << page;
  for (uint64_t page : {11, 13, 14, 17, 18}) EXPECT_EQ(At(code, page), 7) << page;
}

TEST(UnseenCode, MovesAPart) {
  UnseenCode code;
  code.Add(10 * kPage, 4 * kPage, 7);
  code.Add(101 * kPage, kPage, 5);
  code.Move(11 * kPage, 2 * kPage, 100 * kPage, 2 * kPage);
  EXPECT_EQ(At(code, 10), 7);
  EXPECT_EQ(At(code, 11), -1);
  EXPECT_EQ(At(code, 12), -1);
  EXPECT_EQ(At(code, 13), 7);
  EXPECT_EQ(At(code, 100), 7);
  EXPECT_EQ(At(code, 101), 7);
  EXPECT_EQ(At(code, 102), -1);
}

TEST(UnseenCode, GrowsAndShrinksInPlace) {
  UnseenCode code;
  code.Add(10 * kPage, 2 * kPage, 7);
  code.Move(10 * kPage, 2 * kPage, 10 * kPage, 4 * kPage);
  EXPECT_EQ(At(code, 13), 7);
  code.Move(10 * kPage, 4 * kPage, 10 * kPage, kPage);
  EXPECT_EQ(At(code, 10), 7);
  EXPECT_EQ(At(code, 11), -1);
}

}  // namespace
}  // namespace retake
