// docs/syscalls.md is what the table says. RETAKE_WRITE_DOCS=1 writes it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "syscalls/row.h"

namespace retake {
namespace {

constexpr const char* kPage = RETAKE_SUPPORT_PAGE;

TEST(SupportPage, IsWhatTheTableSays) {
  std::string page = SupportPage();
  if (getenv("RETAKE_WRITE_DOCS") != nullptr) {
    std::ofstream out(kPage, std::ios::trunc);
    out << page;
    ASSERT_TRUE(out.flush().good()) << kPage;
  }
  std::ifstream in(kPage);
  ASSERT_TRUE(in.good()) << kPage;
  std::stringstream committed;
  committed << in.rdbuf();
  EXPECT_EQ(committed.str(), page)
      << "the page is old: run this test with RETAKE_WRITE_DOCS=1 and commit " << kPage;
}

TEST(SupportPage, HasALineForEveryCall) {
  std::string page = SupportPage();
  for (int i = 0; i < kSysCount; ++i) {
    EXPECT_THAT(page,
                testing::HasSubstr("\n| " + std::string(SysName(static_cast<Sys>(i))) + " |"));
  }
  EXPECT_THAT(page, testing::HasSubstr("| openat | 257 | 56 | recorded | yes |"));
  EXPECT_THAT(page, testing::HasSubstr("| open | 2 |  | recorded |"));
  EXPECT_THAT(page, testing::HasSubstr("| io_uring_setup | 425 | 425 | refused: ENOSYS |"));
}

}  // namespace
}  // namespace retake
