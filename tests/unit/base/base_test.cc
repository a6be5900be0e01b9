// The primitives that everything else stands on: varints at their edges, lengths that lie, strings
// up to the last byte of a page, results passed up.
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>

#include "base/bytes.h"
#include "base/readable_memory.h"
#include "base/result.h"

namespace retake {
namespace {

TEST(Bytes, NumbersComeBack) {
  ByteWriter writer;
  const uint64_t values[] = {0, 1, 127, 128, 16383, 16384, uint64_t{1} << 32, ~uint64_t{0}};
  for (uint64_t value : values) {
    writer.Varint(value);
    writer.Signed(static_cast<int64_t>(value));
    writer.Signed(-static_cast<int64_t>(value >> 1));
  }
  writer.Text("text");
  ByteReader reader(writer.bytes());
  for (uint64_t value : values) {
    EXPECT_EQ(reader.Varint(), value);
    EXPECT_EQ(reader.Signed(), static_cast<int64_t>(value));
    EXPECT_EQ(reader.Signed(), -static_cast<int64_t>(value >> 1));
  }
  EXPECT_EQ(reader.Text(), "text");
  EXPECT_TRUE(reader.AtEnd());
  EXPECT_TRUE(reader.ok());
}

TEST(Bytes, ALengthThatLiesIsAnError) {
  ByteWriter writer;
  writer.Varint(1'000'000);
  writer.Raw(AsBytes("short"));
  ByteReader blob(writer.bytes());
  EXPECT_TRUE(blob.Blob().empty());
  EXPECT_FALSE(blob.status("it").ok());
  ByteReader count(writer.bytes());
  EXPECT_EQ(count.Count(2), 0U);
  EXPECT_FALSE(count.ok());
}

TEST(Bytes, AVarintOfMoreThan64BitsIsAnError) {
  const uint8_t bytes[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f};
  ByteReader reader(bytes);
  reader.Varint();
  EXPECT_FALSE(reader.ok());
}

// This process's memory, up to the page that can't be read.
class OwnMemory : public ReadableMemory {
 public:
  explicit OwnMemory(uint64_t end) : end_(end) {}
  size_t ReadSome(uint64_t address, void* buffer, size_t size) const override {
    size_t readable = address < end_ ? std::min<uint64_t>(size, end_ - address) : 0;
    memcpy(buffer, reinterpret_cast<const void*>(address), readable);
    return readable;
  }

 private:
  uint64_t end_;
};

TEST(S19_ReadString, EndsAtTheLastByteBeforeAnUnmappedPage) {
  auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  auto* memory = static_cast<char*>(
      mmap(nullptr, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  ASSERT_NE(memory, MAP_FAILED);
  ASSERT_EQ(munmap(memory + page, page), 0);
  OwnMemory readable(reinterpret_cast<uint64_t>(memory + page));
  for (size_t length : {size_t{0}, size_t{1}, size_t{255}, size_t{256}, size_t{300}, page - 1}) {
    char* start = memory + page - 1 - length;
    memset(start, 'x', length);
    start[length] = 0;
    std::string text;
    EXPECT_TRUE(readable.ReadString(reinterpret_cast<uint64_t>(start), &text)) << length;
    EXPECT_EQ(text, std::string(length, 'x'));
    start[length] = 'y';  // now it runs into the unmapped page
    EXPECT_FALSE(readable.ReadString(reinterpret_cast<uint64_t>(start), &text));
    EXPECT_EQ(text, std::string(length, 'x') + "y");
  }
  munmap(memory, page);
}

Result<int> Half(int value) {
  if (value % 2 != 0) return MakeError("{} is odd", value);
  return value / 2;
}

Result<int> Quarter(int value) {
  int half = TRY(Half(value));
  return TRY(Half(half));
}

TEST(Result, ErrorsArePassedUp) {
  EXPECT_EQ(*Quarter(12), 3);
  ASSERT_FALSE(Quarter(6).ok());
  EXPECT_EQ(Quarter(6).error().Message(), "3 is odd");
  errno = ENOENT;
  EXPECT_EQ(Error(ErrnoError("can't open {}", "x")).Message(),
            "can't open x: No such file or directory");
}

}  // namespace
}  // namespace retake
