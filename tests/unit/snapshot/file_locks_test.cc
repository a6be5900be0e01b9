// What /proc/PID/fdinfo says of locks.
#include "snapshot/file_locks.h"

#include <gtest/gtest.h>
#include <sys/file.h>

namespace retake {
namespace {

TEST(FileLocks, AreToldByKindAndOwner) {
  auto locks = ParseFileLocks(
      "pos:\t0\nflags:\t0100002\nmnt_id:\t27\nino:\t12\n"
      "lock:\t1: FLOCK  ADVISORY  READ 41 fe:00:12 0 EOF\n"
      "lock:\t2: POSIX  ADVISORY  WRITE 41 fe:00:12 10 14\n"
      "lock:\t3: POSIX  ADVISORY  READ 41 fe:00:12 100 EOF\n"
      "lock:\t4: OFDLCK ADVISORY  WRITE -1 fe:00:12 7 7\n"
      "lock:\t5: LEASE  ACTIVE    READ 41 fe:00:12 0 EOF\n"
      "lock:\t6: LEASE  BREAKING  WRITE 41 fe:00:12 0 EOF\n");
  ASSERT_TRUE(locks.ok()) << locks.error().Message();
  EXPECT_EQ(locks->flock, static_cast<uint32_t>(LOCK_SH));
  ASSERT_EQ(locks->process.size(), 2u);
  EXPECT_TRUE(locks->process[0].writes);
  EXPECT_EQ(locks->process[0].start, 10u);
  EXPECT_EQ(locks->process[0].length, 5u);
  EXPECT_FALSE(locks->process[1].writes);
  EXPECT_EQ(locks->process[1].length, 0u);
  ASSERT_EQ(locks->description.size(), 1u);
  EXPECT_EQ(locks->description[0].length, 1u);
  EXPECT_EQ(locks->lease, 1u);
  ASSERT_EQ(locks->unkeepable.size(), 1u);
  EXPECT_NE(locks->unkeepable[0].find("BREAKING"), std::string::npos);
}

TEST(FileLocks, NoneAreNone) {
  auto locks = ParseFileLocks("pos:\t0\nflags:\t0100002\n");
  ASSERT_TRUE(locks.ok());
  EXPECT_EQ(locks->flock, 0u);
  EXPECT_EQ(locks->lease, 0u);
  EXPECT_TRUE(locks->process.empty() && locks->description.empty() && locks->unkeepable.empty());
}

TEST(FileLocks, AreNeverGuessed) {
  for (const char* line : {"lock:\t1: POSIX  ADVISORY  WRITE 41 fe:00:12 10", "lock:\t1: POSIX",
                           "lock:\t1: POSIX  ADVISORY  WRITE 41 fe:00:12 10 9",
                           "lock:\t1: OFDLCK ADVISORY  WRITE -1 fe:00:12 x EOF"})
    EXPECT_FALSE(ParseFileLocks(line).ok()) << line;
  auto strange = ParseFileLocks("lock:\t1: DELEG  ACTIVE    READ 41 fe:00:12 0 EOF\n");
  ASSERT_TRUE(strange.ok());
  EXPECT_EQ(strange->unkeepable.size(), 1u);
}

TEST(FileLocks, GoToTheKernelAsTheyCame) {
  struct flock whole = ToFlock({.writes = true, .start = 5, .length = 0});
  EXPECT_EQ(whole.l_type, F_WRLCK);
  EXPECT_EQ(whole.l_whence, SEEK_SET);
  EXPECT_EQ(whole.l_start, 5);
  EXPECT_EQ(whole.l_len, 0);
  EXPECT_EQ(ToFlock({.writes = false, .start = 1, .length = 2}).l_type, F_RDLCK);
}

}  // namespace
}  // namespace retake
