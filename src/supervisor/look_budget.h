// LookBudget: how much time a group's tasks may be stepped for to see whether they spin, where none
// of them was found to.
#ifndef RETAKE_SUPERVISOR_LOOK_BUDGET_H_
#define RETAKE_SUPERVISOR_LOOK_BUDGET_H_

#include <array>
#include <cstddef>
#include <cstdint>

namespace retake {

class LookBudget {
 public:
  // Long looks, longer ones: each kind has a budget of its own, so that those don't use up what
  // these need.
  static constexpr size_t kKinds = 2;

  // Whether a look of this kind may be taken at `now` (ns, CLOCK_MONOTONIC).
  bool MayTake(size_t kind, int64_t now) const { return now >= next_[kind]; }
  // One was taken, and found nothing.
  void Spend(size_t kind, int64_t begin, int64_t end) { next_[kind] = end + kPart * (end - begin); }
  // One has found something: others may, too.
  void Refill() { next_ = {}; }

 private:
  // Looks of a kind take a tenth of the time at most.
  static constexpr int64_t kPart = 9;
  std::array<int64_t, kKinds> next_{};
};

}  // namespace retake

#endif  // RETAKE_SUPERVISOR_LOOK_BUDGET_H_
