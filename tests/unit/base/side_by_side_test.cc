#include "base/side_by_side.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <vector>

namespace retake {
namespace {

constexpr size_t kPieces = 1'000;

TEST(SideBySide, DoesEachPieceOnce) {
  std::vector<std::atomic<int>> done(kPieces);
  std::vector<std::vector<size_t>> of_thread(ThreadsFor(kPieces));
  Status status = SideBySide(kPieces, [&](size_t thread, size_t piece) -> Status {
    ++done[piece];
    of_thread.at(thread).push_back(piece);
    return {};
  });
  EXPECT_TRUE(status.ok());
  for (const std::atomic<int>& times : done) EXPECT_EQ(times, 1);
  for (const std::vector<size_t>& pieces : of_thread)
    EXPECT_TRUE(std::is_sorted(pieces.begin(), pieces.end()));
}

TEST(SideBySide, NothingIsDoneAtOnce) {
  auto fail = [](size_t, size_t) -> Status { return MakeError("called"); };
  EXPECT_TRUE(SideBySide(0, fail).ok());
}

TEST(SideBySide, AFailureEndsIt) {
  std::atomic<size_t> begun = 0;
  Status status = SideBySide(kPieces, [&](size_t, size_t piece) -> Status {
    ++begun;
    usleep(100);
    if (piece == 20) return MakeError("piece {}", piece);
    return {};
  });
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().Message(), "piece 20");
  EXPECT_LT(begun, kPieces / 2);
}

// A user whose processes are as many as may be gets no thread, and all is done all the same.
TEST(SideBySide, DoesWithoutThreads) {
  pid_t child = fork();
  if (child == 0) {
    constexpr uid_t kNobody = 65534;
    rlimit none{0, 0};
    if (setrlimit(RLIMIT_NPROC, &none) != 0 || (geteuid() == 0 && setuid(kNobody) != 0)) _exit(2);
    size_t done = 0;
    Status status = SideBySide(kPieces, [&](size_t thread, size_t) -> Status {
      if (thread == 0) ++done;
      return {};
    });
    _exit(status.ok() && done == kPieces ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace retake
