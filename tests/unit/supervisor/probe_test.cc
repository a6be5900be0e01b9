#include "supervisor/probe.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>

namespace retake {
namespace {

const ProbeResult* Find(const std::vector<ProbeResult>& results, std::string_view name) {
  auto found = std::ranges::find(results, name, &ProbeResult::name);
  return found == results.end() ? nullptr : &*found;
}

TEST(Probe, EveryRefusalSaysWhyAndWhatInstead) {
  std::string directory = testing::TempDir();
  for (const ProbeResult& result : ProbeEverything({.store = directory, .cache = directory})) {
    EXPECT_FALSE(result.use.empty()) << result.name;
    if (result.verdict == ProbeVerdict::kWorks) continue;
    EXPECT_FALSE(result.detail.empty()) << result.name;
    EXPECT_TRUE(result.essential || !result.instead.empty()) << result.name;
  }
}

TEST(Probe, NothingHangsAndNothingIsLeftBehind) {
  std::string directory = testing::TempDir() + "/probe-XXXXXX";
  ASSERT_NE(mkdtemp(directory.data()), nullptr);
  for (const ProbeResult& result : ProbeEverything({.store = directory, .cache = directory})) {
    EXPECT_EQ(result.detail.find("it hung"), std::string::npos) << result.name;
    EXPECT_EQ(result.detail.find("was killed"), std::string::npos) << result.name;
  }
  // Fails unless it is empty.
  EXPECT_EQ(rmdir(directory.c_str()), 0);
}

TEST(Probe, AStoreThatCannotBeIsRefused) {
  std::vector<ProbeResult> results =
      ProbeEverything({.store = "/proc/nowhere", .cache = testing::TempDir()});
  const ProbeResult* store = Find(results, "store");
  ASSERT_NE(store, nullptr);
  EXPECT_EQ(store->verdict, ProbeVerdict::kRefused);
  EXPECT_FALSE(CanRecord(results));
}

}  // namespace
}  // namespace retake
