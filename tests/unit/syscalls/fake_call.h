// A call with memory of its own, for testing the table's rules and decoders without a process.
#ifndef RETAKE_TESTS_UNIT_SYSCALLS_FAKE_CALL_H_
#define RETAKE_TESTS_UNIT_SYSCALLS_FAKE_CALL_H_

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <initializer_list>
#include <map>
#include <string_view>
#include <vector>

#include "syscalls/row.h"

namespace retake {

// Memory that is mapped page by page, as written to.
class FakeMemory : public ReadableMemory {
 public:
  static constexpr uint64_t kPage = 4096;

  size_t ReadSome(uint64_t address, void* buffer, size_t size) const override {
    auto* to = static_cast<uint8_t*>(buffer);
    for (size_t done = 0; done < size;) {
      auto page = pages_.find((address + done) / kPage);
      if (page == pages_.end()) return done;
      uint64_t at = (address + done) % kPage;
      size_t piece = std::min<uint64_t>(size - done, kPage - at);
      memcpy(to + done, page->second.data() + at, piece);
      done += piece;
    }
    return size;
  }

  void Write(uint64_t address, const void* data, size_t size) {
    const auto* from = static_cast<const uint8_t*>(data);
    for (size_t done = 0; done < size;) {
      std::vector<uint8_t>& page = pages_[(address + done) / kPage];
      page.resize(kPage);
      uint64_t at = (address + done) % kPage;
      size_t piece = std::min<uint64_t>(size - done, kPage - at);
      memcpy(page.data() + at, from + done, piece);
      done += piece;
    }
  }
  template <typename T>
  void Put(uint64_t address, const T& value) {
    Write(address, &value, sizeof value);
  }
  void PutText(uint64_t address, std::string_view text) {
    Write(address, text.data(), text.size());
    Put(address + text.size(), '\0');
  }
  void PutWords(uint64_t address, std::initializer_list<uint64_t> words) {
    for (uint64_t word : words) {
      Put(address, word);
      address += 8;
    }
  }

 private:
  std::map<uint64_t, std::vector<uint8_t>> pages_;
};

// Only the bytes that were put, as an event of a trace has them.
class RecordedMemory : public ReadableMemory {
 public:
  size_t ReadSome(uint64_t address, void* buffer, size_t size) const override {
    auto* to = static_cast<uint8_t*>(buffer);
    for (size_t i = 0; i < size; ++i) {
      auto byte = bytes_.find(address + i);
      if (byte == bytes_.end()) return i;
      to[i] = byte->second;
    }
    return size;
  }
  void Put(uint64_t address, const std::vector<uint8_t>& bytes) {
    for (size_t i = 0; i < bytes.size(); ++i) bytes_[address + i] = bytes[i];
  }

 private:
  std::map<uint64_t, uint8_t> bytes_;
};

struct FakeCall {
  FakeMemory memory;
  Call call;

  FakeCall(Sys sys, std::initializer_list<uint64_t> args, int64_t result = 0,
           const ArchDescription& arch = X86_64Description())
      : call{&arch, sys, arch.NumberOf(sys), {}, result, nullptr} {
    std::copy(args.begin(), args.end(), call.args.begin());
    call.memory = &memory;
  }
  FakeCall(const FakeCall&) = delete;
  FakeCall& operator=(const FakeCall&) = delete;

  const Row& row() const { return RowOf(call.sys); }
  // Sorted, so that the order of arguments doesn't matter.
  std::vector<Range> Outputs() const {
    std::vector<Range> ranges;
    EXPECT_TRUE(OutputRanges(row(), call, ranges));
    return Sorted(std::move(ranges));
  }
  std::vector<Range> Previews() const {
    std::vector<Range> ranges;
    InputPreviews(row(), call, ranges);
    return Sorted(std::move(ranges));
  }

 private:
  static std::vector<Range> Sorted(std::vector<Range> ranges) {
    std::sort(ranges.begin(), ranges.end(), [](const Range& a, const Range& b) {
      return a.address != b.address ? a.address < b.address : a.size < b.size;
    });
    return ranges;
  }
};

inline void PrintTo(const Range& range, std::ostream* out) {
  *out << std::hex << "[" << range.address << ", +" << std::dec << range.size << ")";
}

}  // namespace retake

#endif  // RETAKE_TESTS_UNIT_SYSCALLS_FAKE_CALL_H_
