// AddressSpace: which addresses are taken, to find room that nobody has.
#ifndef RETAKE_SNAPSHOT_ADDRESS_SPACE_H_
#define RETAKE_SNAPSHOT_ADDRESS_SPACE_H_

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

namespace retake {

class AddressSpace {
 public:
  void Add(uint64_t start, uint64_t size) { taken_.emplace_back(start, start + size); }

  bool IsFree(uint64_t at, uint64_t size) const {
    return std::ranges::none_of(
        taken_, [&](const auto& range) { return range.first < at + size && at < range.second; });
  }

  // An address for `size` bytes, a multiple of any page size, with some distance to what is above
  // it: a stack grows downwards.
  uint64_t FindFree(uint64_t size) const {
    auto taken = taken_;
    std::ranges::sort(taken);
    uint64_t end = kLowest;
    for (const auto& [start, stop] : taken) {
      if (start > end + size + kDistance && IsFree(end, size)) return end;
      end = std::max(end, (stop + kAlign - 1) / kAlign * kAlign);
    }
    return end;
  }

 private:
  static constexpr uint64_t kLowest = 0x1000'0000;
  static constexpr uint64_t kDistance = 0x100'0000;
  static constexpr uint64_t kAlign = 0x1'0000;

  std::vector<std::pair<uint64_t, uint64_t>> taken_;
};

}  // namespace retake

#endif  // RETAKE_SNAPSHOT_ADDRESS_SPACE_H_
