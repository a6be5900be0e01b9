// Reading and writing another process: what is there, what ends at a page without one, what is
// protected.
#include "supervisor/notify_memory.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <string>

namespace retake {
namespace {

// A child with three pages at addresses the parent knows: writable, read-only, none.
class ThreadMemoryTest : public testing::Test {
 protected:
  void SetUp() override {
    page_ = static_cast<size_t>(getpagesize());
    pages_ = static_cast<char*>(
        mmap(nullptr, 3 * page_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    ASSERT_NE(pages_, MAP_FAILED);
    memset(pages_, 'a', page_);
    memset(pages_ + page_, 'b', page_);
    mprotect(pages_ + page_, page_, PROT_READ);
    munmap(pages_ + 2 * page_, page_);
    child_ = fork();
    if (child_ == 0) {
      alarm(30);
      for (;;) pause();
    }
  }
  void TearDown() override {
    kill(child_, SIGKILL);
    waitpid(child_, nullptr, 0);
    munmap(pages_, 2 * page_);
  }
  uint64_t At(size_t offset) const { return reinterpret_cast<uint64_t>(pages_) + offset; }

  size_t page_ = 0;
  char* pages_ = nullptr;
  pid_t child_ = -1;
};

TEST_F(ThreadMemoryTest, ReadsUpToTheFirstByteThatIsntThere) {
  ThreadMemory memory(child_);
  std::string text(3 * page_, '\0');
  EXPECT_EQ(memory.ReadSome(At(10), text.data(), text.size()), 2 * page_ - 10);
  EXPECT_EQ(text[0], 'a');
  EXPECT_EQ(text[page_], 'b');
  EXPECT_EQ(memory.ReadSome(At(2 * page_), text.data(), 1), 0u);
  EXPECT_EQ(memory.ReadSome(0, text.data(), 1), 0u);
  EXPECT_EQ(memory.ReadSome(~uint64_t{0} - 3, text.data(), 16), 0u);
}

TEST_F(ThreadMemoryTest, WritesWhatTheProgramItselfMayWrite) {
  ThreadMemory memory(child_);
  EXPECT_TRUE(memory.Write(At(page_ - 3), AsBytes("xyz")));
  char text[4] = {};
  EXPECT_TRUE(memory.Read(At(page_ - 3), text, 3));
  EXPECT_STREQ(text, "xyz");
  EXPECT_EQ(pages_[page_ - 1], 'a') << "the child's page, not ours";
}

TEST_F(ThreadMemoryTest, RefusesNullReadOnlyUnmappedAndWrappingAddresses) {
  ThreadMemory memory(child_);
  EXPECT_FALSE(memory.Write(0, AsBytes("x")));
  EXPECT_FALSE(memory.Write(At(page_), AsBytes("x")));
  EXPECT_FALSE(memory.Write(At(page_ - 1), AsBytes("xx")));
  EXPECT_FALSE(memory.Write(At(2 * page_), AsBytes("x")));
  EXPECT_FALSE(memory.Write(~uint64_t{0} - 1, AsBytes("xxxxxxxx")));
  char byte = 0;
  EXPECT_TRUE(memory.Read(At(page_), &byte, 1));
  EXPECT_EQ(byte, 'b');
}

TEST(ThreadMemory, OfAThreadThatIsGoneIsEmpty) {
  const pid_t child = fork();
  if (child == 0) _exit(0);
  waitpid(child, nullptr, 0);
  ThreadMemory memory(child);
  char byte = 0;
  EXPECT_EQ(memory.ReadSome(reinterpret_cast<uint64_t>(&byte), &byte, 1), 0u);
  EXPECT_FALSE(memory.Write(reinterpret_cast<uint64_t>(&byte), AsBytes("x")));
}

}  // namespace
}  // namespace retake
