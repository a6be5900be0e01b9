#include "snapshot/smaps.h"

#include <algorithm>
#include <charconv>

#include "snapshot/checkpoint_image.h"
#include "tracee/proc_files.h"

namespace retake {
namespace {

struct FlagName {
  std::string_view name;
  uint64_t flag;
};

// fs/proc/task_mmu.c, show_smap_vma_flags. Those without a flag here are what other columns show
// (read, write, execute, shared), what such a mapping may become, or the kernel's own matter.
constexpr FlagName kFlagNames[] = {
    {"rd", 0},
    {"wr", 0},
    {"ex", 0},
    {"sh", 0},
    {"mr", 0},
    {"mw", 0},
    {"me", 0},
    {"ms", 0},
    {"gd", kGrowsDown},
    {"pf", kInputOutput},
    {"lo", kLocked},
    {"io", kInputOutput},
    {"sr", kSequential},
    {"rr", kRandom},
    {"dc", kDontFork},
    {"de", 0},
    {"lf", kLockedOnFault},
    {"ac", 0},
    {"nr", kNoReserve},
    {"ht", kHugeTlb},
    {"sf", 0},
    {"ar", 0},
    {"wf", kWipeOnFork},
    {"dd", kDontDump},
    {"bt", 0},
    {"sd", 0},
    {"mm", 0},
    {"hg", kHugePages},
    {"nh", kNoHugePages},
    {"mg", kMergeable},
    {"um", kUserfaultfd},
    {"uw", kUserfaultfd},
    {"ui", kUserfaultfd},
    {"ss", 0},
    {"sl", kSealed},
    {"dp", kDroppable},
    {"mt", 0},
    {"gu", 0},
};

// The number that a line tells, which may have none.
template <typename T>
void TakeNumber(std::string_view line, T& out) {
  size_t digit = line.find_first_of("0123456789");
  if (digit != std::string_view::npos)
    std::from_chars(line.data() + digit, line.data() + line.size(), out);
}

void TakeFlags(std::string_view words, MappingDetails& out) {
  while (!words.empty()) {
    size_t start = words.find_first_not_of(' ');
    if (start == std::string_view::npos) break;
    words.remove_prefix(start);
    std::string_view word = words.substr(0, words.find(' '));
    words.remove_prefix(word.size());
    auto known = std::ranges::find(kFlagNames, word, &FlagName::name);
    if (known == std::end(kFlagNames)) {
      out.unknown_flags += fmt::format(" {}", word);
    } else {
      out.flags |= known->flag;
    }
  }
}

}  // namespace

Result<std::vector<MappingDetails>> ParseSmaps(std::string_view text) {
  std::vector<MappingDetails> all;
  while (!text.empty()) {
    size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.empty()) continue;
    // A mapping's own line begins with an address, those about it with a capital.
    bool is_mapping = (line[0] >= '0' && line[0] <= '9') || (line[0] >= 'a' && line[0] <= 'f');
    if (is_mapping) {
      auto parsed = TRY(ParseMappings(line));
      all.push_back({.mapping = std::move(parsed.at(0))});
    } else if (!all.empty() && line.starts_with("VmFlags:")) {
      TakeFlags(line.substr(8), all.back());
    } else if (!all.empty() && line.starts_with("ProtectionKey:")) {
      TakeNumber(line, all.back().protection_key);
    } else if (!all.empty() && line.starts_with("KernelPageSize:")) {
      constexpr uint64_t kKiB = 1024;
      TakeNumber(line, all.back().page_size);
      all.back().page_size *= kKiB;
    }
  }
  return all;
}

Result<std::vector<MappingDetails>> ReadSmaps(pid_t pid) {
  return ParseSmaps(TRY(ReadProcFile(pid, "smaps")));
}

}  // namespace retake
