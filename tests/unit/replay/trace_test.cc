// Traces as a whole: written, read back, read while being written, and of the other architecture.
#include "replay/trace.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>

#include "trace_testing.h"

namespace retake {
namespace {

using Next = TraceReader::Next;

TEST_F(TraceTest, WhatIsWrittenIsReadBack) {
  std::string directory = NewDirectory("trace");
  Result<std::vector<Event>> written = WriteSmallTrace(directory, 60);
  ASSERT_OK(written);
  auto reader = TraceReader::Open(directory);
  ASSERT_OK(reader);
  TraceReader& trace = **reader;
  EXPECT_EQ(trace.manifest().command, SmallManifest().command);
  EXPECT_EQ(trace.manifest().end, TraceEnd::kComplete);
  EXPECT_EQ(trace.manifest().wait_status, 0);
  EXPECT_EQ(trace.manifest().events, 60u);
  ASSERT_EQ(trace.objects().size(), 2u);
  EXPECT_EQ(trace.objects()[0].path, "/lib/libexample.so");
  EXPECT_EQ(trace.objects()[1].kind, TraceObject::Kind::kShared);
  EXPECT_EQ(trace.objects()[1].size, 8192u);
  EXPECT_EQ(trace.objects()[1].hash, trace.objects()[0].hash);
  ASSERT_EQ(trace.image_count(), 1u);
  std::mt19937_64 random(7);
  Result<Image> image = trace.ReadImage(0);
  ASSERT_OK(image);
  EXPECT_EQ(*image, RandomImage(random, trace.arch()));
  EXPECT_FALSE(trace.ReadImage(1).ok());

  for (int round = 0; round < 2; round++) {
    Result<ReadBack> back = ReadAll(trace);
    ASSERT_OK(back);
    EXPECT_EQ(back->events, *written);
    EXPECT_EQ(back->end, Next::kEnd) << back->cut_reason;
    ASSERT_OK(trace.Rewind());
  }
  ASSERT_OK(trace.Verify());
  EXPECT_GT(trace.sizes().sections, 5u);
  EXPECT_EQ(trace.sizes().blobs, 1u);
  EXPECT_EQ(trace.sizes().blob_bytes, 18u);
}

TEST_F(TraceTest, ATraceOfTheOtherArchitectureOpens) {
  for (ArchId arch : {ArchId::kX86_64, ArchId::kAarch64}) {
    std::string directory = NewDirectory(std::string(DescriptionOf(arch)->name));
    Result<std::vector<Event>> written = WriteSmallTrace(directory, 20, arch);
    ASSERT_OK(written);
    auto reader = TraceReader::Open(directory);
    ASSERT_OK(reader);
    EXPECT_EQ((*reader)->arch().id, arch);
    Result<ReadBack> back = ReadAll(**reader);
    ASSERT_OK(back);
    EXPECT_EQ(back->events, *written);
  }
}

TEST_F(TraceTest, ReadableByItsOwnerOnly) {
  std::string directory = NewDirectory("trace");
  ASSERT_OK(WriteSmallTrace(directory, 3));
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) {
    struct stat status;
    ASSERT_EQ(stat(entry.path().c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777, entry.is_directory() ? 0700u : 0600u) << entry.path();
  }
}

TEST_F(TraceTest, AFileIsKeptWholeAndItsOffsetStays) {
  std::string directory = NewDirectory("trace");
  std::string contents = std::string(300'000, 'x') + std::string(200'000, '\0') + "end";
  WriteFile(Path("file"), contents);
  Fd file(open(Path("file").c_str(), O_RDONLY));
  ASSERT_EQ(lseek(file.get(), 17, SEEK_SET), 17);
  struct stat status;
  ASSERT_EQ(fstat(file.get(), &status), 0);
  auto writer = TraceWriter::Create(directory, SmallManifest());
  ASSERT_OK(writer);
  for (bool cacheable : {false, true, true}) {
    Result<uint32_t> object = (*writer)->AddFile(file.get(), status, Path("file"), cacheable);
    ASSERT_OK(object);
    EXPECT_EQ(*object, 0u);  // the same contents are the same object
  }
  EXPECT_EQ(lseek(file.get(), 0, SEEK_CUR), 17);
  ASSERT_OK((*writer)->Finish());
  std::filesystem::remove(Path("file"));
  auto reader = TraceReader::Open(directory);
  ASSERT_OK(reader);
  ASSERT_EQ((*reader)->objects().size(), 1u);
  Result<Fd> blob = (*reader)->OpenBlob(0, /*verify=*/true);
  ASSERT_OK(blob);
  std::string read(contents.size(), '?');
  ASSERT_EQ(pread(blob->get(), read.data(), read.size(), 0), static_cast<ssize_t>(read.size()));
  EXPECT_EQ(read, contents);
}

}  // namespace
}  // namespace retake
