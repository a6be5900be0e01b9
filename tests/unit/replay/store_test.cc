// The store: names, `latest`, what a name means, and what may be removed.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <set>
#include <thread>

#include "replay/trace_pack.h"
#include "replay/trace_store.h"
#include "trace_testing.h"

namespace retake {
namespace {

namespace fs = std::filesystem;

class StoreTest : public TraceTest {
 protected:
  // A small trace in the store.
  std::string Record(const std::string& program) {
    Result<std::string> directory = NewTraceDirectory(program);
    EXPECT_TRUE(directory.ok());
    EXPECT_TRUE(WriteSmallTrace(*directory, 3).ok());
    return *directory;
  }
};

TEST_F(StoreTest, TheStoreIsWhereTheEnvironmentSays) {
  EXPECT_EQ(TraceStoreDirectory().TakeValue(), Path("store"));
  unsetenv("RETAKE_DIR");
  setenv("XDG_DATA_HOME", "/data", 1);
  EXPECT_EQ(TraceStoreDirectory().TakeValue(), "/data/retake");
  unsetenv("XDG_DATA_HOME");
  const char* home = getenv("HOME");
  std::string saved = home == nullptr ? "" : home;
  setenv("HOME", "/home/someone", 1);
  EXPECT_EQ(TraceStoreDirectory().TakeValue(), "/home/someone/.local/share/retake");
  unsetenv("HOME");
  Result<std::string> none = TraceStoreDirectory();
  setenv("HOME", saved.c_str(), 1);
  ASSERT_FALSE(none.ok());
  EXPECT_NE(none.error().Message().find("-o"), std::string::npos);
}

TEST_F(StoreTest, NamesCountUpAndAreOfTheProgram) {
  EXPECT_EQ(NewTraceDirectory("/usr/bin/ls").TakeValue(), Path("store/ls-1"));
  EXPECT_EQ(NewTraceDirectory("ls").TakeValue(), Path("store/ls-2"));
  EXPECT_EQ(NewTraceDirectory("g++").TakeValue(), Path("store/g++-1"));
  EXPECT_EQ(NewTraceDirectory("a b\n\xff").TakeValue(), Path("store/a_b__-1"));
  EXPECT_EQ(NewTraceDirectory("..").TakeValue(), Path("store/_..-1"));
  EXPECT_EQ(NewTraceDirectory("-o").TakeValue(), Path("store/_-o-1"));
  fs::create_directory(Path("store/ls-17"));
  EXPECT_EQ(NewTraceDirectory("ls").TakeValue(), Path("store/ls-18"));
  struct stat status;
  ASSERT_EQ(stat(Path("store/ls-1").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0700u);
}

TEST_F(StoreTest, ManyAtOnceGetANameEach) {
  constexpr int kThreads = 8;
  constexpr int kEach = 25;
  std::vector<std::vector<std::string>> names(kThreads);
  std::vector<std::thread> threads;
  for (auto& mine : names) {
    threads.emplace_back([&mine] {
      for (int i = 0; i < kEach; i++) {
        Result<std::string> name = NewTraceDirectory("prog");
        mine.push_back(name.ok() ? *name : "failed: " + name.error().Message());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::set<std::string> all;
  for (const auto& mine : names) all.insert(mine.begin(), mine.end());
  EXPECT_EQ(all.size(), static_cast<size_t>(kThreads * kEach));
  for (const std::string& name : all) EXPECT_TRUE(fs::is_directory(name)) << name;
}

TEST_F(StoreTest, AStoreThatCannotBeMadeNamesTheWayOut) {
  WriteFile(Path("plain"), "");
  setenv("RETAKE_DIR", Path("plain/store").c_str(), 1);
  Result<std::string> directory = NewTraceDirectory("ls");
  ASSERT_FALSE(directory.ok());
  EXPECT_NE(directory.error().Message().find("-o"), std::string::npos);
}

TEST_F(StoreTest, LatestFollowsTheNewest) {
  Result<std::string> none = ResolveTrace("");
  ASSERT_FALSE(none.ok());
  EXPECT_NE(none.error().Message().find("retake record"), std::string::npos);
  std::string first = Record("ls");
  std::string second = Record("cat");
  ASSERT_OK(SetLatest(first));
  EXPECT_EQ(ResolveTrace("latest").TakeValue(), first);
  EXPECT_EQ(fs::read_symlink(Path("store/latest")), "ls-1");  // the store can be moved
  ASSERT_OK(SetLatest(second));
  EXPECT_EQ(ResolveTrace("").TakeValue(), second);
  ASSERT_OK(SetLatest(NewDirectory("elsewhere")));
  EXPECT_EQ(ResolveTrace("").TakeValue(), second);
  fs::remove(Path("store/latest"));
  EXPECT_EQ(ResolveTrace("").TakeValue(), second);
  EXPECT_EQ(ListTraces().TakeValue(), (std::vector<std::string>{"ls-1", "cat-1"}));
}

TEST_F(StoreTest, LatestIsAlwaysThereWhileItIsReplaced) {
  std::string first = Record("ls");
  std::string second = Record("cat");
  ASSERT_OK(SetLatest(first));
  std::atomic<bool> done = false;
  std::thread writer([&] {
    for (int i = 0; i < 300; i++) EXPECT_TRUE(SetLatest(i % 2 == 0 ? second : first).ok());
    done = true;
  });
  while (!done) {
    std::error_code error;
    (void)fs::read_symlink(Path("store/latest"), error);
    EXPECT_FALSE(error) << error.message();
  }
  writer.join();
  for (const auto& entry : fs::directory_iterator(Path("store"))) {
    EXPECT_FALSE(entry.path().filename().string().starts_with(".")) << entry.path();
  }
}

TEST_F(StoreTest, ANameIsAPathOrATraceOfTheStore) {
  std::string trace = Record("ls");
  EXPECT_EQ(ResolveTrace("ls-1").TakeValue(), trace);
  EXPECT_EQ(ResolveTrace("some/where").TakeValue(), "some/where");
  Result<std::string> absent = ResolveTrace("ls-9");
  ASSERT_FALSE(absent.ok());
  EXPECT_NE(absent.error().Message().find("ls-9"), std::string::npos);
}

TEST_F(StoreTest, PrepareTakesWhatIsAbsentOrEmpty) {
  ASSERT_OK(PrepareTraceDirectory(Path("new")));
  ASSERT_OK(PrepareTraceDirectory(Path("new")));
  WriteFile(Path("new/file"), "x");
  Status full = PrepareTraceDirectory(Path("new"));
  ASSERT_FALSE(full.ok());
  EXPECT_NE(full.error().Message().find("not empty"), std::string::npos);
  EXPECT_FALSE(PrepareTraceDirectory(Path("new/file")).ok());
  EXPECT_FALSE(PrepareTraceDirectory(Path("absent/new")).ok());
}

TEST_F(StoreTest, RemoveTakesTracesOnly) {
  std::string first = Record("ls");
  std::string second = Record("cat");
  ASSERT_OK(SetLatest(second));
  fs::create_directory(Path("mine"));
  WriteFile(Path("mine/manifest"), "my own manifest");
  WriteFile(Path("mine/events"), "my own events");
  WriteFile(Path("mine/thesis"), "years of work");
  Status refused = RemoveTrace(Path("mine"));
  ASSERT_FALSE(refused.ok());
  EXPECT_NE(refused.error().Message().find("not a trace"), std::string::npos);
  EXPECT_EQ(ReadFile(Path("mine/thesis")), "years of work");
  EXPECT_FALSE(RemoveTrace(Path("mine/thesis")).ok());
  EXPECT_FALSE(RemoveTrace(Path("store")).ok());
  EXPECT_FALSE(RemoveTrace(Path("absent")).ok());

  // A trace that is damaged can be removed, what a link in it points to stays.
  WriteFile(second + "/manifest", "gone");
  fs::create_symlink(Path("mine"), second + "/link");
  ASSERT_OK(RemoveTrace(Path("store/latest")));
  EXPECT_FALSE(fs::exists(second));
  EXPECT_TRUE(fs::exists(Path("mine/thesis")));
  EXPECT_EQ(ResolveTrace("").TakeValue(), first);
  EXPECT_EQ(fs::read_symlink(Path("store/latest")), "ls-1");
  ASSERT_OK(RemoveTrace(first));
  EXPECT_FALSE(fs::is_symlink(Path("store/latest")));
  EXPECT_TRUE(ListTraces().TakeValue().empty());
}

}  // namespace
}  // namespace retake
