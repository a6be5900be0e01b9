// Packed traces: the same trace, as one file.
#include "replay/trace_pack.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <map>

#include "archive/archive.h"
#include "replay/trace_manifest.h"
#include "tests/unit/times.h"
#include "trace_testing.h"

namespace retake {
namespace {

namespace fs = std::filesystem;
using Next = TraceReader::Next;

std::map<std::string, std::string> FilesOf(const std::string& directory) {
  std::map<std::string, std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(directory)) {
    if (entry.is_regular_file()) {
      files[fs::relative(entry.path(), directory)] = ReadFile(entry.path());
    }
  }
  return files;
}

class PackTest : public TraceTest {
 protected:
  void SetUp() override {
    TraceTest::SetUp();
    directory_ = NewDirectory("trace");
    auto writer = TraceWriter::Create(directory_, SmallManifest(), {.section_bytes = 3000});
    ASSERT_OK(writer);
    // More than one piece, with holes.
    std::string large(3'000'000, '\0');
    for (size_t i = 0; i < 1'000'000; i += 100) large[i] = static_cast<char>(i);
    ASSERT_OK((*writer)->AddBytes(AsBytes(large), "/large"));
    ASSERT_OK((*writer)->AddBytes({}, "/empty"));
    ASSERT_OK((*writer)->AddImage(Image()));
    std::mt19937_64 random(9);
    for (int i = 0; i < 100; i++) {
      events_.push_back(RandomEvent(random, X86_64Description()));
      (*writer)->Append(events_.back());
    }
    (*writer)->manifest().end = TraceEnd::kComplete;
    ASSERT_OK((*writer)->Finish());
    file_ = Path("trace.retake");
    ASSERT_OK(PackTrace(directory_, file_));
  }

  std::string directory_;
  std::string file_;
  std::vector<Event> events_;
};

TEST_F(PackTest, UnpackedItIsTheSameToTheByte) {
  std::map<std::string, std::string> before = FilesOf(directory_);
  EXPECT_EQ(before.size(), 4u);
  fs::remove_all(directory_);
  ASSERT_OK(UnpackTrace(file_, Path("back")));
  EXPECT_EQ(FilesOf(Path("back")), before);
  auto reader = TraceReader::Open(Path("back"));
  ASSERT_OK(reader);
  ASSERT_OK((*reader)->Verify());
}

TEST_F(PackTest, ItIsReadWithoutUnpacking) {
  fs::remove_all(directory_);
  auto reader = TraceReader::Open(file_);
  ASSERT_OK(reader);
  Result<ReadBack> back = ReadAll(**reader);
  ASSERT_OK(back);
  EXPECT_EQ(back->events, events_);
  EXPECT_EQ(back->end, Next::kEnd) << back->cut_reason;
  ASSERT_EQ((*reader)->objects().size(), 2u);
  for (uint32_t object : {0u, 1u}) {
    Result<Fd> blob = (*reader)->OpenBlob(object, /*verify=*/true);
    ASSERT_OK(blob);
    EXPECT_EQ(pwrite(blob->get(), "x", 1, 0), -1);  // nobody can change it
  }
  ASSERT_OK((*reader)->Verify());
  ASSERT_OK((*reader)->ReadImage(0));
}

TEST_F(PackTest, AnUnfinishedTraceIsPackedAsFarAsItGoes) {
  std::string directory = NewDirectory("killed");
  ASSERT_OK(WriteSmallTrace(directory, 10, ArchId::kAarch64, /*finish=*/false));
  std::string events = ReadFile(directory + "/events");
  WriteFile(directory + "/events", events.substr(0, events.size() - 3));
  ASSERT_OK(PackTrace(directory, Path("killed.retake")));
  ASSERT_OK(UnpackTrace(Path("killed.retake"), Path("back")));
  EXPECT_EQ(FilesOf(Path("back")), FilesOf(directory));
}

TEST_F(PackTest, NothingIsOverwrittenAndNothingHalfMadeIsLeft) {
  EXPECT_FALSE(PackTrace(directory_, file_).ok());
  ASSERT_OK(TraceReader::Open(file_));
  EXPECT_FALSE(PackTrace(NewDirectory("empty"), Path("new.retake")).ok());
  EXPECT_FALSE(fs::exists(Path("new.retake")));
  EXPECT_FALSE(UnpackTrace(file_, directory_).ok());  // not empty
  EXPECT_EQ(FilesOf(directory_).size(), 4u);
  EXPECT_FALSE(UnpackTrace(directory_ + "/manifest", Path("back")).ok());
  EXPECT_FALSE(UnpackTrace(directory_ + "/events", Path("back")).ok());
  EXPECT_FALSE(fs::exists(Path("back")));
}

TEST_F(PackTest, R09_DamageAnywhereIsSeen) {
  const std::string whole = ReadFile(file_);
  // Every byte would take minutes: a step that is prime to all section sizes.
  const size_t step = TestSlowness() > 1 ? 997 : 97;
  for (size_t at = 0; at < whole.size(); at += step) {
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 1 << at % 8);
    fs::remove(file_);
    WriteFile(file_, damaged);
    EXPECT_FALSE(UnpackTrace(file_, Path("back")).ok()) << at;
    ASSERT_FALSE(fs::exists(Path("back"))) << at;
    auto reader = TraceReader::Open(file_);
    if (!reader.ok()) continue;
    EXPECT_FALSE((*reader)->Verify().ok()) << at;
    Result<ReadBack> back = ReadAll(**reader);
    if (!back.ok()) continue;
    for (size_t i = 0; i < back->events.size(); i++) ASSERT_EQ(back->events[i], events_[i]);
  }
  for (size_t size = 0; size < whole.size(); size += step) {
    fs::remove(file_);
    WriteFile(file_, whole.substr(0, size));
    EXPECT_FALSE(TraceReader::Open(file_).ok()) << size;
    EXPECT_FALSE(UnpackTrace(file_, Path("back")).ok()) << size;
  }
}

TEST_F(PackTest, AHostileNameIsRefused) {
  for (const char* name : {"../escaped", "/tmp/escaped", "blobs/../x", "blobs/short", "other"}) {
    fs::remove(Path("hostile"));
    Fd out(open(Path("hostile").c_str(), O_RDWR | O_CREAT, 0600));
    auto archive =
        ArchiveWriter::Create(std::move(out), "hostile", ArchiveContent::kPackedTrace, 1);
    ASSERT_OK(archive);
    ByteWriter entry;
    entry.Text(name);
    entry.Varint(1);
    ASSERT_OK((*archive)->Append(16, entry.bytes(), kStoreOnly));
    ASSERT_OK((*archive)->Append(17, AsBytes("x"), kStoreOnly));
    ASSERT_OK((*archive)->Seal());
    EXPECT_FALSE(UnpackTrace(Path("hostile"), Path("back")).ok()) << name;
    EXPECT_FALSE(fs::exists(Path("back"))) << name;
  }
}

}  // namespace
}  // namespace retake
