// What a checkpoint keeps of files comes back as it was, whatever has become of them.
#include "snapshot/kept_files.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "tracee/proc_files.h"

namespace retake {
namespace {

namespace fs = std::filesystem;

class KeptFilesTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "kept-XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    root_ = name;
    image_.requirements.page_size = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
    image_.processes.push_back({.pid = 1, .condition = ProcessCondition::kZombie});
  }
  void TearDown() override { fs::remove_all(root_); }

  std::string Write(const std::string& name, const std::string& text) {
    std::string path = (root_ / name).string();
    std::ofstream(path, std::ios::binary) << text;
    return path;
  }
  static std::string Read(const std::string& path) { return *ReadWhole(path); }
  static NamedFile Noted(const std::string& path) {
    struct stat status {};
    EXPECT_EQ(stat(path.c_str(), &status), 0);
    return NamedFileOf(path, status);
  }
  void Open(const std::string& path, uint32_t flags) {
    OpenFile file{.kind = FileKind::kRegular, .flags = flags};
    file.named = Noted(path);
    image_.open_files.push_back(file);
  }
  // Writes a checkpoint with these files, and reads it.
  Status Keep() {
    std::string path = (root_ / "checkpoint").string();
    auto writer = TRY(CheckpointWriter::Create(path, {.sync = false}));
    TRY(KeepFiles(FilesToKeep::kWritten, image_, *writer));
    TRY(KeepFiles(FilesToKeep::kRead, image_, *writer));
    TRY(writer->Finish(image_));
    reader_ = TRY(CheckpointReader::Open(path));
    return {};
  }
  std::string Copied(const NamedFile& file) {
    auto copy = CopyOfKept(file, *reader_);
    if (!copy.ok()) return copy.error().Message();
    return Read("/proc/self/fd/" + std::to_string(copy->get()));
  }

  fs::path root_;
  CheckpointImage image_;
  std::unique_ptr<CheckpointReader> reader_;
};

TEST_F(KeptFilesTest, MappedFilesComeBackWhole) {
  std::string odd(3 * 4096 + 17, 'x'), large;
  for (int i = 0; large.size() < (3 << 20); ++i) large += std::to_string(i) + " ";
  std::string holes = Write("holes", "begin");
  fs::resize_file(holes, 5 << 20);
  std::ofstream(holes, std::ios::app) << "end";
  for (const std::string& path :
       {Write("empty", ""), Write("odd", odd), Write("large", large), holes})
    image_.mapped_files.push_back(Noted(path));
  std::string with_holes = Read(holes);
  Status kept = Keep();
  ASSERT_TRUE(kept.ok()) << kept.error().Message();
  const auto& files = reader_->image().mapped_files;
  EXPECT_EQ(Copied(files[0]), "");
  EXPECT_EQ(Copied(files[1]), odd);
  EXPECT_EQ(Copied(files[2]), large);
  EXPECT_EQ(Copied(files[3]), with_holes);
  uint64_t bytes = 0;
  for (const PageRange& range : files[3].pages) bytes += range.size;
  EXPECT_LE(bytes, 4 * image_.requirements.page_size) << "holes are kept";
}

TEST_F(KeptFilesTest, OpenFilesAreKeptToBeRewoundOnly) {
  std::string path = Write("read", "text"), written = Write("written", "more");
  for (auto policy : {FilePolicy::kFail, FilePolicy::kKeep, FilePolicy::kRewind}) {
    image_.files = policy;
    image_.open_files.clear();
    image_.mapped_files.clear();
    Open(path, O_RDONLY);
    Open(written, O_WRONLY | O_APPEND);
    Open(path, O_RDONLY | O_PATH);
    image_.mapped_files.push_back(Noted(written));
    image_.mapped_files[0].written = true;
    ASSERT_TRUE(Keep().ok());
    bool rewinds = policy == FilePolicy::kRewind;
    const CheckpointImage& image = reader_->image();
    EXPECT_EQ(image.open_files[0].named->kept, rewinds);
    EXPECT_EQ(image.open_files[1].named->kept, rewinds);
    EXPECT_FALSE(image.open_files[2].named->kept);
    EXPECT_EQ(image.mapped_files[0].kept, rewinds);
  }
  EXPECT_EQ(Copied(*reader_->image().open_files[1].named), "more");
}

TEST_F(KeptFilesTest, WhatWasChangedOrIsGoneIsWrittenBack) {
  image_.files = FilePolicy::kRewind;
  std::string path = Write("file", "what it held");
  chmod(path.c_str(), 0640);
  Open(path, O_RDWR);
  ASSERT_TRUE(Keep().ok());
  const NamedFile& file = *reader_->image().open_files[0].named;
  auto copy = CopyOfKept(file, *reader_);
  ASSERT_TRUE(copy.ok());
  for (const char* now : {"other", "longer than what it held before", ""}) {
    Write("file", now);
    ASSERT_TRUE(WriteBack(file, copy->get(), path).ok());
    EXPECT_EQ(Read(path), "what it held");
  }
  fs::remove(path);
  ASSERT_TRUE(WriteBack(file, copy->get(), path).ok());
  EXPECT_EQ(Read(path), "what it held");
  EXPECT_EQ(Noted(path).mode & 0777, 0640U);
  fs::remove(path);
  Status nowhere = WriteBack(file, copy->get(), (root_ / "gone" / "file").string());
  ASSERT_FALSE(nowhere.ok());
  EXPECT_NE(nowhere.error().Message().find("gone/file"), std::string::npos);
}

TEST_F(KeptFilesTest, AFileThatIsAnotherNowIsAnError) {
  std::string path = Write("file", "what it held");
  image_.mapped_files.push_back(Noted(path));
  Write("file", "what IT held");
  image_.mapped_files[0].touched_at -= 1;  // The clock of files may not have moved on yet.
  Status kept = Keep();
  ASSERT_FALSE(kept.ok());
  EXPECT_NE(kept.error().Message().find("file in the checkpoint: it changed"), std::string::npos);
  fs::remove(path);
  ASSERT_FALSE(Keep().ok());
}

}  // namespace
}  // namespace retake
