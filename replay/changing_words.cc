#include "replay/changing_words.h"

#include <xxhash.h>

#include <algorithm>
#include <cstring>

#include "tracee/writable_memory.h"

namespace retake {
namespace {

constexpr uint64_t kWordBytes = sizeof(uint64_t);
constexpr size_t kMostHashed = 64 << 20;  // bytes
constexpr size_t kMostPages = 256;
// Where whole arrays change, a few of their words do.
constexpr size_t kMostOfPage = 16;
constexpr size_t kMostWords = 1024;

}  // namespace

Status ChangingWords::Begin(pid_t pid, const TaskMemory& memory) {
  size_t hashed = 0;
  auto wanted = [&](uint64_t) { return hashed < kMostHashed; };
  return ForEachWritablePage(pid, memory, wanted, [&](uint64_t address, ByteSpan bytes) {
    hashes_[address] = XXH3_64bits(bytes.data(), bytes.size());
    hashed += bytes.size();
  });
}

Status ChangingWords::KeepChanged(pid_t pid, const TaskMemory& memory) {
  auto wanted = [&](uint64_t address) {
    return changed_.size() < kMostPages && hashes_.contains(address);
  };
  TRY(ForEachWritablePage(pid, memory, wanted, [&](uint64_t address, ByteSpan bytes) {
    if (changed_.size() == kMostPages) return;
    if (hashes_[address] == XXH3_64bits(bytes.data(), bytes.size())) return;
    Page& page = changed_.emplace_back(Page{address, {}});
    page.words.resize(bytes.size() / kWordBytes);
    memcpy(page.words.data(), bytes.data(), page.words.size() * kWordBytes);
  }));
  std::ranges::sort(changed_, {}, &Page::address);
  return {};
}

std::vector<uint64_t> ChangingWords::Find(const TaskMemory& memory) const {
  std::vector<std::vector<uint64_t>> now(changed_.size());
  std::vector<TaskMemory::Piece> pieces;
  for (size_t i = 0; i < changed_.size(); ++i) {
    now[i].resize(changed_[i].words.size());
    auto* begin = reinterpret_cast<uint8_t*>(now[i].data());
    pieces.push_back({changed_[i].address, {begin, now[i].size() * kWordBytes}});
  }
  memory.Gather(pieces);
  std::vector<uint64_t> words;
  for (size_t i = 0; i < changed_.size(); ++i) {
    const Page& page = changed_[i];
    size_t of_page = 0;
    for (size_t at = 0; at < pieces[i].got / kWordBytes && of_page < kMostOfPage; ++at) {
      if (now[i][at] == page.words[at]) continue;
      words.push_back(page.address + at * kWordBytes);
      if (words.size() == kMostWords) return words;
      ++of_page;
    }
  }
  return words;
}

std::vector<WordRun> ReadWords(const TaskMemory& memory, const std::vector<uint64_t>& addresses) {
  std::vector<WordRun> runs;
  for (uint64_t address : addresses) {
    bool goes_on =
        !runs.empty() && runs.back().address + runs.back().values.size() * kWordBytes == address;
    if (!goes_on) runs.push_back({address, {}});
    runs.back().values.push_back(0);
  }
  std::vector<TaskMemory::Piece> pieces;
  for (WordRun& run : runs) {
    auto* begin = reinterpret_cast<uint8_t*>(run.values.data());
    pieces.push_back({run.address, {begin, run.values.size() * kWordBytes}});
  }
  memory.Gather(pieces);
  for (size_t i = 0; i < runs.size(); ++i) runs[i].values.resize(pieces[i].got / kWordBytes);
  std::erase_if(runs, [](const WordRun& run) { return run.values.empty(); });
  return runs;
}

}  // namespace retake
