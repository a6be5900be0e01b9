// The per-user cache: what it keeps, what it doesn't trust, what damage costs.
#include "replay/blob_cache.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <set>
#include <thread>

#include "replay/blob_file.h"
#include "trace_testing.h"

namespace retake {
namespace {

namespace fs = std::filesystem;

class BlobCacheTest : public TraceTest {
 protected:
  struct Source {
    Fd fd;
    struct stat status;
  };
  static Source OpenSource(const std::string& path) {
    Source source{Fd(open(path.c_str(), O_RDONLY)), {}};
    EXPECT_EQ(fstat(source.fd.get(), &source.status), 0);
    return source;
  }
  std::string Blob(const std::string& hash) const { return Path("cache/retake/blobs/" + hash); }
  size_t CountBlobs() const {
    size_t count = 0;
    for ([[maybe_unused]] const auto& entry : fs::directory_iterator(Path("cache/retake/blobs"))) {
      count++;
    }
    return count;
  }
};

TEST_F(BlobCacheTest, ASettledFileIsFoundByItsIdentity) {
  WriteFile(Path("file"), "contents");
  Settle(Path("file"));
  Source source = OpenSource(Path("file"));
  auto cache = BlobCache::Open();
  ASSERT_NE(cache, nullptr);
  EXPECT_FALSE(cache->Find(source.status));
  Result<BlobCopy> stored = cache->Store(source.fd.get(), source.status, "file");
  ASSERT_OK(stored);
  EXPECT_EQ(stored->hash, BlobHash(AsBytes("contents")));
  std::optional<BlobCopy> found = BlobCache::Open()->Find(source.status);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->hash, stored->hash);
  EXPECT_EQ(ReadFile(Blob(found->hash)), "contents");
  // A copy, not a link: what happens to the file afterwards doesn't reach it.
  WriteFile(Path("file"), "CONTENTS");
  EXPECT_EQ(ReadFile(Blob(found->hash)), "contents");
  EXPECT_FALSE(cache->Find(OpenSource(Path("file")).status));
}

TEST_F(BlobCacheTest, AFileJustWrittenIsNotTrusted) {
  WriteFile(Path("file"), "contents");
  Source source = OpenSource(Path("file"));
  EXPECT_FALSE(IsSettled(source.status));
  auto cache = BlobCache::Open();
  ASSERT_OK(cache->Store(source.fd.get(), source.status, "file"));
  EXPECT_FALSE(cache->Find(source.status));
  // An old mtime proves nothing: anyone can set it. ctime counts too.
  timespec times[2] = {{1, 0}, {1, 0}};
  ASSERT_EQ(utimensat(AT_FDCWD, Path("file").c_str(), times, 0), 0);
  EXPECT_FALSE(IsSettled(OpenSource(Path("file")).status));
  Settle(Path("file"));
  EXPECT_TRUE(IsSettled(OpenSource(Path("file")).status));
}

TEST_F(BlobCacheTest, DamageCostsACopyNoMore) {
  WriteFile(Path("file"), "contents");
  Settle(Path("file"));
  Source source = OpenSource(Path("file"));
  auto cache = BlobCache::Open();
  std::string hash = cache->Store(source.fd.get(), source.status, "file").TakeValue().hash;
  std::string index = Path("cache/retake/index/" + FileIdentity(source.status));
  ASSERT_TRUE(fs::is_symlink(index));

  WriteFile(Blob(hash), "short");  // another size than the index says
  EXPECT_FALSE(cache->Find(source.status));
  ASSERT_OK(cache->Store(source.fd.get(), source.status, "file"));
  EXPECT_TRUE(cache->Find(source.status));
  EXPECT_EQ(ReadFile(Blob(hash)), "contents");

  fs::remove(Blob(hash));
  EXPECT_FALSE(cache->Find(source.status));
  for (const char* target : {"nonsense", "../../../file", "0123456789abcdef0123456789abcdef.x"}) {
    fs::remove(index);
    fs::create_symlink(target, index);
    EXPECT_FALSE(cache->Find(source.status)) << target;
  }
  ASSERT_OK(cache->Store(source.fd.get(), source.status, "file"));
  EXPECT_TRUE(cache->Find(source.status));
}

TEST_F(BlobCacheTest, ACacheThatOthersMayWriteToIsNotUsed) {
  ASSERT_NE(BlobCache::Open(), nullptr);
  ASSERT_EQ(chmod(Path("cache/retake").c_str(), 0777), 0);
  EXPECT_EQ(BlobCache::Open(), nullptr);
}

TEST_F(BlobCacheTest, WithoutACacheTheTraceHasItsOwnCopy) {
  WriteFile(Path("plain"), "");
  setenv("XDG_CACHE_HOME", Path("plain").c_str(), 1);  // a file: no directory can be made in it
  EXPECT_EQ(BlobCache::Open(), nullptr);
  WriteFile(Path("file"), "contents");
  Settle(Path("file"));
  Source source = OpenSource(Path("file"));
  auto writer = TraceWriter::Create(NewDirectory("trace"), SmallManifest());
  ASSERT_OK(writer);
  ASSERT_OK((*writer)->AddFile(source.fd.get(), source.status, "file", true));
  ASSERT_OK((*writer)->Finish());
  auto reader = TraceReader::Open(Path("trace"));
  ASSERT_OK(reader);
  ASSERT_OK((*reader)->OpenBlob(0, true));
}

TEST_F(BlobCacheTest, ATraceKeepsItsBlobsWhenTheCacheGoes) {
  WriteFile(Path("file"), std::string(100'000, 'y'));
  Settle(Path("file"));
  for (const char* name : {"first", "second"}) {
    Source source = OpenSource(Path("file"));
    auto writer = TraceWriter::Create(NewDirectory(name), SmallManifest());
    ASSERT_OK(writer);
    ASSERT_OK((*writer)->AddFile(source.fd.get(), source.status, "file", true));
    ASSERT_OK((*writer)->Finish());
  }
  EXPECT_EQ(CountBlobs(), 1u);
  fs::remove_all(Path("cache"));
  for (const char* name : {"first", "second"}) {
    auto reader = TraceReader::Open(Path(name));
    ASSERT_OK(reader);
    ASSERT_OK((*reader)->Verify());
  }
}

TEST_F(BlobCacheTest, TheCacheMayBeEmptiedWhileARecorderUsesIt) {
  WriteFile(Path("file"), "contents");
  Settle(Path("file"));
  Source source = OpenSource(Path("file"));
  auto cache = BlobCache::Open();
  BlobCopy copy = cache->Store(source.fd.get(), source.status, "file").TakeValue();
  fs::remove(Blob(copy.hash));
  Fd blobs(open(NewDirectory("blobs").c_str(), O_RDONLY | O_DIRECTORY));
  ASSERT_OK(LinkBlob(copy.file.get(), copy.hash, cache->blobs(), blobs.get(), "file"));
  EXPECT_EQ(ReadFile(Path("blobs/" + copy.hash)), "contents");
}

TEST_F(BlobCacheTest, TwoRecordersAtOnceShareTheCache) {
  constexpr int kFiles = 40;
  for (int i = 0; i < kFiles; i++) {
    WriteFile(Path("file" + std::to_string(i)),
              std::string(5000 + i, static_cast<char>('a' + i % 26)));
  }
  Settle(Path("file0"));
  std::vector<pid_t> children;
  for (int recorder = 0; recorder < 2; recorder++) {
    std::string directory = NewDirectory("trace" + std::to_string(recorder));
    pid_t child = fork();
    if (child == 0) {
      auto writer = TraceWriter::Create(directory, SmallManifest());
      bool ok = writer.ok();
      for (int i = 0; i < kFiles && ok; i++) {
        Source source = OpenSource(Path("file" + std::to_string(i)));
        ok = (*writer)->AddFile(source.fd.get(), source.status, "file", true).ok();
      }
      _exit(ok && (*writer)->Finish().ok() ? 0 : 1);
    }
    children.push_back(child);
  }
  for (pid_t child : children) {
    int status = -1;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
  }
  for (int recorder = 0; recorder < 2; recorder++) {
    auto reader = TraceReader::Open(Path("trace" + std::to_string(recorder)));
    ASSERT_OK(reader);
    EXPECT_EQ((*reader)->objects().size(), static_cast<size_t>(kFiles));
    ASSERT_OK((*reader)->Verify());
  }
  EXPECT_EQ(CountBlobs(), static_cast<size_t>(kFiles));  // and nothing temporary is left
}

TEST_F(BlobCacheTest, ASparseFileStaysSparse) {
  Fd file(open(Path("file").c_str(), O_RDWR | O_CREAT, 0600));
  ASSERT_EQ(pwrite(file.get(), "x", 1, 10 << 20), 1);
  auto cache = BlobCache::Open();
  Result<BlobCopy> copy = CopyIntoBlobs(file.get(), cache->blobs(), "file");
  ASSERT_OK(copy);
  EXPECT_EQ(copy->size, (10u << 20) + 1);
  struct stat status;
  ASSERT_EQ(fstat(copy->file.get(), &status), 0);
  EXPECT_LT(status.st_blocks * 512, 1 << 20);
  EXPECT_EQ(HashFile(copy->file.get(), "copy").TakeValue(), copy->hash);
  EXPECT_EQ(HashFile(file.get(), "file").TakeValue(), copy->hash);
}

}  // namespace
}  // namespace retake
