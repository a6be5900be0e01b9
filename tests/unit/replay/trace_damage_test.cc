// R09: a trace that is cut or damaged anywhere gives a clean end or a sentence, and never a wrong
// event.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <filesystem>
#include <thread>

#include "replay/trace_manifest.h"
#include "tests/unit/times.h"
#include "trace_testing.h"

namespace retake {
namespace {

// Every so many bytes are damaged.
const size_t kStep = TestSlowness() > 1 ? 7 : 1;

using Next = TraceReader::Next;
namespace fs = std::filesystem;

class R09_Trace : public TraceTest {
 protected:
  void SetUp() override {
    TraceTest::SetUp();
    directory_ = NewDirectory("trace");
    Result<std::vector<Event>> written = WriteSmallTrace(directory_, 12);
    ASSERT_OK(written);
    events_ = *written;
    contents_ = ReadFile(directory_ + "/events");
    manifest_ = ReadFile(directory_ + "/manifest");
  }

  // Gives a file of the trace new contents. A new file, since ext4 flushes one to the disk that is
  // truncated and written again, which is most of a test's time.
  void Replace(const std::string& name, const std::string& contents) {
    fs::remove(directory_ + "/" + name);
    WriteFile(directory_ + "/" + name, contents);
  }

  // Reads what is in the directory; the events read must be the first of those written. Says how it
  // ended, or nothing if it couldn't be opened.
  std::optional<ReadBack> ReadPrefix(const std::string& context) {
    auto reader = TraceReader::Open(directory_);
    if (!reader.ok()) {
      EXPECT_FALSE(reader.error().Message().empty());
      return std::nullopt;
    }
    Result<ReadBack> back = ReadAll(**reader);
    EXPECT_TRUE(back.ok()) << context;
    if (!back.ok()) return std::nullopt;
    EXPECT_LE(back->events.size(), events_.size()) << context;
    for (size_t i = 0; i < back->events.size(); i++) {
      EXPECT_EQ(back->events[i], events_[i]) << context << ", event " << i;
    }
    EXPECT_EQ(back->end == Next::kCut, !back->cut_reason.empty()) << context;
    EXPECT_EQ(back->end == Next::kEnd, back->events.size() == events_.size()) << context;
    // Once it has ended, it stays ended.
    Event event;
    EXPECT_EQ((*reader)->ReadEvent(event).TakeValue(), back->end) << context;
    verified_ = (*reader)->Verify().ok();
    return *back;
  }

  std::string directory_;
  std::vector<Event> events_;
  std::string contents_;
  std::string manifest_;
  bool verified_ = false;
};

TEST_F(R09_Trace, EventsCutAtAnyByteEndCleanly) {
  size_t last = 0;
  for (size_t size = (contents_.size() - 1) % kStep; size < contents_.size(); size += kStep) {
    Replace("events", contents_.substr(0, size));
    std::optional<ReadBack> back = ReadPrefix("cut at " + std::to_string(size));
    if (!back) {
      EXPECT_LT(size, 24u);
      continue;
    }
    EXPECT_GE(back->events.size(), last) << size;  // more bytes never give fewer events
    last = back->events.size();
    // Everything but the trailer may be there; what is missing is noticed all the same.
    EXPECT_FALSE(verified_) << size;
  }
  EXPECT_EQ(last, events_.size());
}

TEST_F(R09_Trace, AFlippedBitInTheEventsIsSeen) {
  for (size_t at = 0; at < contents_.size(); at += kStep) {
    std::string damaged = contents_;
    damaged[at] = static_cast<char>(damaged[at] ^ 1 << at % 8);
    Replace("events", damaged);
    std::optional<ReadBack> back = ReadPrefix("flip at " + std::to_string(at));
    if (back) {
      EXPECT_FALSE(verified_) << at;
    }
  }
}

TEST_F(R09_Trace, AFlippedBitInTheManifestIsSeen) {
  for (size_t at = 0; at < manifest_.size(); at += kStep) {
    std::string damaged = manifest_;
    damaged[at] = static_cast<char>(damaged[at] ^ 1 << at % 8);
    Replace("manifest", damaged);
    EXPECT_FALSE(TraceReader::Open(directory_).ok()) << at;
  }
}

TEST_F(R09_Trace, AManifestCutAtAnyByteIsSeen) {
  for (size_t size = 0; size < manifest_.size(); size += kStep) {
    Replace("manifest", manifest_.substr(0, size));
    auto reader = TraceReader::Open(directory_);
    ASSERT_FALSE(reader.ok()) << size;
  }
}

TEST_F(R09_Trace, ADamagedBlobIsSeen) {
  auto reader = TraceReader::Open(directory_);
  ASSERT_OK(reader);
  std::string blob = directory_ + "/blobs/" + (*reader)->objects()[0].hash;
  std::string contents = ReadFile(blob);
  contents[3] = static_cast<char>(contents[3] ^ 4);
  WriteFile(blob, contents);
  EXPECT_TRUE((*reader)->OpenBlob(0).ok());
  EXPECT_FALSE((*reader)->OpenBlob(0, /*verify=*/true).ok());
  EXPECT_FALSE((*reader)->Verify().ok());
  WriteFile(blob, contents + "more");
  EXPECT_FALSE((*reader)->OpenBlob(0).ok());
  fs::remove(blob);
  EXPECT_FALSE((*reader)->OpenBlob(0).ok());
  WriteFile(Path("elsewhere"), contents);
  fs::create_symlink(Path("elsewhere"), blob);
  EXPECT_FALSE((*reader)->OpenBlob(0).ok());  // nothing leads out of a trace
}

TEST_F(R09_Trace, EventsOfAnotherTraceAreSeen) {
  // The manifest says how many there are.
  std::string other = NewDirectory("other");
  ASSERT_OK(WriteSmallTrace(other, 5));
  fs::copy_file(other + "/events", directory_ + "/events", fs::copy_options::overwrite_existing);
  auto reader = TraceReader::Open(directory_);
  ASSERT_OK(reader);
  Result<ReadBack> back = ReadAll(**reader);
  ASSERT_OK(back);
  EXPECT_EQ(back->end, Next::kCut);
  EXPECT_NE(back->cut_reason.find("12 events"), std::string::npos) << back->cut_reason;
}

TEST_F(R09_Trace, EachWrongThingHasItsSentence) {
  auto message = [&](const std::string& path) {
    auto reader = TraceReader::Open(path);
    return reader.ok() ? "opened" : reader.error().Message();
  };
  auto with = [&](const std::string& from, const std::string& to) {
    std::string text = manifest_;
    text.replace(text.find(from), from.size(), to);
    Replace("manifest", text);
    return message(directory_);
  };
  EXPECT_NE(with("\"version\": 1", "\"version\": 7").find("version 7"), std::string::npos);
  EXPECT_NE(with("x86_64", "riscv1").find("checksum"), std::string::npos);
  EXPECT_NE(message(Path("absent")).find("No such file"), std::string::npos);
  EXPECT_NE(message(NewDirectory("empty")).find("not a trace"), std::string::npos);
  WriteFile(Path("text"), "hello");
  EXPECT_NE(message(Path("text")).find("not an archive"), std::string::npos);
  EXPECT_NE(message("/dev/null").find("not a trace"), std::string::npos);
  Replace("manifest", manifest_);
  fs::remove(directory_ + "/events");
  EXPECT_NE(message(directory_).find("events"), std::string::npos);
}

TEST_F(R09_Trace, AKilledRecorderLeavesWhatItHadWritten) {
  // The writer is dropped without Finish(): as with a kill, nothing is sealed.
  std::string directory = NewDirectory("killed");
  Result<std::vector<Event>> written = WriteSmallTrace(directory, 30, ArchId::kX86_64, false);
  ASSERT_OK(written);
  auto reader = TraceReader::Open(directory);
  ASSERT_OK(reader);
  EXPECT_EQ((*reader)->manifest().end, TraceEnd::kUnfinished);
  Result<ReadBack> back = ReadAll(**reader);
  ASSERT_OK(back);
  EXPECT_EQ(back->events, *written);
  EXPECT_EQ(back->end, Next::kCut);
  EXPECT_NE(back->cut_reason.find("killed"), std::string::npos) << back->cut_reason;
  ASSERT_OK((*reader)->Verify());  // unfinished is not damaged
}

TEST_F(TraceTest, ATraceIsReadWhileItIsWritten) {
  std::string directory = NewDirectory("growing");
  TraceWriterOptions options;
  options.section_bytes = 2000;
  options.section_milliseconds = 5;
  auto writer = TraceWriter::Create(directory, SmallManifest(), options);
  ASSERT_OK(writer);
  ASSERT_OK((*writer)->AddImage(Image()));
  std::mt19937_64 random(3);
  std::vector<Event> written;
  written.reserve(3000);
  for (int i = 0; i < 3000; i++) written.push_back(RandomEvent(random, X86_64Description()));
  written[0].kind = EventKind::kExec;
  for (Event& event : written) {
    if (event.kind == EventKind::kExec) event.image = 0;
  }
  std::atomic<bool> done = false;
  std::thread tracer([&] {
    for (Event& event : written) {
      (*writer)->Append(event);
      if (event.sequence % 100 == 0) usleep(1000);
    }
    (*writer)->manifest().end = TraceEnd::kComplete;
    EXPECT_TRUE((*writer)->Finish().ok());
    done = true;
  });
  size_t last = 0;
  std::vector<ReadBack> reads;
  while (!done) {
    auto reader = TraceReader::Open(directory, 0);
    if (!reader.ok()) {
      ADD_FAILURE() << reader.error().Message();
      break;
    }
    reads.push_back(ReadAll(**reader).TakeValue());
    EXPECT_GE(reads.back().events.size(), last);
    last = reads.back().events.size();
    reads.back().events.resize(std::min<size_t>(last, 50));  // the rest is compared at the end
  }
  tracer.join();
  EXPECT_GT(reads.size(), 1u);
  for (const ReadBack& back : reads) {
    for (size_t i = 0; i < back.events.size(); i++) ASSERT_EQ(back.events[i], written[i]);
  }
  auto reader = TraceReader::Open(directory);
  ASSERT_OK(reader);
  Result<ReadBack> back = ReadAll(**reader);
  ASSERT_OK(back);
  EXPECT_EQ(back->end, Next::kEnd) << back->cut_reason;
  EXPECT_EQ(back->events, written);
}

TEST_F(TraceTest, ASectionIsClosedAfterItsTime) {
  std::string directory = NewDirectory("slow");
  TraceWriterOptions options;
  options.section_milliseconds = 20;
  auto writer = TraceWriter::Create(directory, SmallManifest(), options);
  ASSERT_OK(writer);
  Event event;
  (*writer)->Append(event);
  size_t seen = 0;
  for (int i = 0; i < 500 && seen == 0; i++) {
    usleep(10'000);
    auto reader = TraceReader::Open(directory, 0);
    ASSERT_OK(reader);
    seen = ReadAll(**reader).TakeValue().events.size();
  }
  EXPECT_EQ(seen, 1u);
}

class FullDiskTest : public TraceTest {
 protected:
  // Records more than there is room for.
  void RecordTooMuch(const std::string& directory, int error) {
    TraceWriterOptions options;
    options.section_bytes = 4000;
    auto writer = TraceWriter::Create(directory, SmallManifest(), options);
    ASSERT_OK(writer);
    ASSERT_OK((*writer)->AddImage(Image()));
    std::mt19937_64 random(3);
    for (int i = 0; i < 2000; i++) {
      written_.push_back(RandomEvent(random, X86_64Description()));
      (*writer)->Append(written_.back());
    }
    (*writer)->manifest().end = TraceEnd::kComplete;
    Status finished = (*writer)->Finish();
    ASSERT_FALSE(finished.ok());
    EXPECT_EQ(finished.error().code(), error);
    EXPECT_NE(finished.error().Message().find(directory + "/events"), std::string::npos)
        << finished.error().Message();
    EXPECT_FALSE((*writer)->health().ok());
    EXPECT_FALSE((*writer)->AddBytes(AsBytes("late"), "").ok());
  }

  // What was written before is there, and the trace says why there is no more.
  void CheckTrace(const std::string& directory, const std::string& reason) {
    auto reader = TraceReader::Open(directory);
    ASSERT_OK(reader);
    EXPECT_EQ((*reader)->manifest().end, TraceEnd::kStopped);
    EXPECT_NE((*reader)->manifest().reason.find(reason), std::string::npos)
        << (*reader)->manifest().reason;
    Result<ReadBack> back = ReadAll(**reader);
    ASSERT_OK(back);
    EXPECT_EQ(back->end, Next::kEnd) << back->cut_reason;
    ASSERT_GT(back->events.size(), 10u);
    ASSERT_LT(back->events.size(), written_.size());
    for (size_t i = 0; i < back->events.size(); i++) ASSERT_EQ(back->events[i], written_[i]);
    ASSERT_OK((*reader)->Verify());
  }

  std::vector<Event> written_;
};

// The file size limit makes writes fail as a full disk does, with another errno.
TEST_F(FullDiskTest, AFileSizeLimitStopsTheTraceAndLeavesItReadable) {
  std::string directory = NewDirectory("full");
  rlimit before;
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  auto old = signal(SIGXFSZ, SIG_IGN);
  rlimit limit{40'000, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
  RecordTooMuch(directory, EFBIG);
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
  signal(SIGXFSZ, old);
  EXPECT_LE(fs::file_size(directory + "/events"), 40'000u);
  CheckTrace(directory, "File too large");
}

// A disk that is really full: a file system of 20 pages, where one may be mounted. Not even the
// last manifest has room there.
TEST_F(FullDiskTest, AFullFileSystemStopsTheTraceAndLeavesItReadable) {
  std::string disk = NewDirectory("disk");
  if (mount("tmpfs", disk.c_str(), "tmpfs", 0, "size=80k") != 0) {
    GTEST_SKIP() << "may not mount here; the file size limit stands for it";
  }
  std::string directory = NewDirectory("disk/full");
  RecordTooMuch(directory, ENOSPC);
  CheckTrace(directory, "No space left");
  EXPECT_FALSE(fs::exists(directory + "/manifest.new"));
  EXPECT_EQ(umount2(disk.c_str(), MNT_DETACH), 0);
}

TEST_F(TraceTest, CreateRefusesADirectoryThatHasATrace) {
  std::string directory = NewDirectory("trace");
  ASSERT_OK(WriteSmallTrace(directory, 3));
  EXPECT_FALSE(TraceWriter::Create(directory, SmallManifest()).ok());
  ASSERT_OK(TraceReader::Open(directory));
}

TEST_F(TraceTest, DiscardLeavesNothing) {
  std::string directory = NewDirectory("trace");
  auto writer = TraceWriter::Create(directory, SmallManifest());
  ASSERT_OK(writer);
  ASSERT_OK((*writer)->AddBytes(AsBytes("x"), ""));
  (*writer)->Discard();
  EXPECT_FALSE(fs::exists(directory));
}

// A kill or a reader sees one of the two, whether the second fits the page of the first or not.
TEST_F(TraceTest, TheLastManifestTakesThePlaceOfTheFirst) {
  for (size_t argument : {10, 10'000}) {
    std::string directory = NewDirectory(fmt::format("trace-{}", argument));
    TraceManifest manifest = SmallManifest();
    manifest.command = {std::string(argument, 'a')};
    auto writer = TraceWriter::Create(directory, manifest);
    ASSERT_OK(writer);
    struct stat first {
    }, last{};
    ASSERT_EQ(stat((directory + "/manifest").c_str(), &first), 0);
    (*writer)->manifest().end = TraceEnd::kComplete;
    ASSERT_OK((*writer)->Finish());
    ASSERT_EQ(stat((directory + "/manifest").c_str(), &last), 0);
    EXPECT_EQ(first.st_ino == last.st_ino, argument < kManifestBytes);
    EXPECT_FALSE(fs::exists(directory + "/manifest.new"));
    auto reader = TraceReader::Open(directory);
    ASSERT_OK(reader);
    EXPECT_EQ((*reader)->manifest().end, TraceEnd::kComplete);
    EXPECT_EQ((*reader)->manifest().command, manifest.command);
  }
}

TEST(TraceManifest, UnknownMembersAreSkipped) {
  TraceManifest manifest = SmallManifest();
  manifest.unknown_calls = {{"ioctl 0x5401", 3}};
  manifest.end = TraceEnd::kStopped;
  manifest.reason = "because";
  manifest.seconds = 0.125;
  std::string text = FormatManifest(manifest);
  // What a later version would write: another member, the checksum made to match by formatting.
  text.insert(text.find("  \"version\""), "  \"a later field\": {\"x\": [1, 2]},\n");
  Result<TraceManifest> damaged = ParseManifest(text, "m");
  EXPECT_FALSE(damaged.ok());  // by its checksum
  std::string fixed = ReplaceManifestChecksum(text);
  Result<TraceManifest> back = ParseManifest(fixed, "m");
  ASSERT_OK(back);
  EXPECT_EQ(FormatManifest(*back), FormatManifest(manifest));
  EXPECT_EQ(back->command, manifest.command);
  EXPECT_EQ(back->unknown_calls, manifest.unknown_calls);
}

}  // namespace
}  // namespace retake
