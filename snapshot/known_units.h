// KnownUnits: where a checkpoint has put pages, by the hash of what they hold.
//
// There may be millions, and a miss of the CPU's cache for each is what writing them waits for: so
// they lie in one table, and one look finds most.
#ifndef RETAKE_SNAPSHOT_KNOWN_UNITS_H_
#define RETAKE_SNAPSHOT_KNOWN_UNITS_H_

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "arch/hash.h"
#include "snapshot/page_range.h"

namespace retake {

class KnownUnits {
 public:
  struct Place {
    uint32_t block = kZeroBlock;
    uint32_t offset = 0;
  };

  // Where it is; if it wasn't known, `place` from now on, and true.
  std::pair<Place, bool> TryEmplace(const Hash128& hash, Place place) {
    if (count_ >= units_.size() / 4 * 3) Grow();
    Unit& unit = SlotFor(hash);
    bool is_new = unit.place.block == kZeroBlock;
    if (is_new) {
      unit = {hash, place};
      ++count_;
    }
    return {unit.place, is_new};
  }

 private:
  struct Unit {
    Hash128 hash;
    Place place;  // in kZeroBlock: there is none here
  };

  // Of that unit, or the first free one where it would be.
  Unit& SlotFor(const Hash128& hash) {
    size_t mask = units_.size() - 1;
    size_t at = hash.low & mask;
    while (units_[at].place.block != kZeroBlock && units_[at].hash != hash) at = (at + 1) & mask;
    return units_[at];
  }

  void Grow() {
    constexpr size_t kLeast = 256;
    std::vector<Unit> before(units_.empty() ? kLeast : units_.size() * 2);
    before.swap(units_);
    for (const Unit& unit : before) {
      if (unit.place.block != kZeroBlock) SlotFor(unit.hash) = unit;
    }
  }

  std::vector<Unit> units_;  // a power of two, at most three quarters of them taken
  size_t count_ = 0;
};

}  // namespace retake

#endif  // RETAKE_SNAPSHOT_KNOWN_UNITS_H_
