// FutileLooks: where a group's tasks were stepped at length and no spin was found, so that they
// aren't stepped there in every turn again.
#ifndef RETAKE_SUPERVISOR_FUTILE_LOOKS_H_
#define RETAKE_SUPERVISOR_FUTILE_LOOKS_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace retake {

class FutileLooks {
 public:
  // Whether to do without one at a task that computes at `pc`: after the first one there that found
  // nothing one is left out, after more of them three, seven, at most fifteen.
  bool LeaveOut(uint64_t pc) {
    Place* place = Find(pc);
    if (place == nullptr || place->left_out == 0) return false;
    --place->left_out;
    return true;
  }

  void Note(uint64_t pc) {
    Place* place = Find(pc);
    if (place == nullptr) {
      // The oldest makes room: to look there once more costs time, no more.
      if (places_.size() == kMostPlaces) places_.erase(places_.begin());
      place = &places_.emplace_back(Place{pc / kPlaceBytes});
    }
    place->next = std::min(place->next * 2 + 1, kMostLeftOut);
    place->left_out = place->next;
  }

  // One has spun: others may, too.
  void Forget() { places_.clear(); }

 private:
  // Code that one place stands for: a loop with what it calls, often.
  static constexpr uint64_t kPlaceBytes = 64 << 10;
  static constexpr size_t kMostPlaces = 32;
  static constexpr int kMostLeftOut = 15;

  struct Place {
    uint64_t number;
    int next = 0;      // how many were to be left out after the last one
    int left_out = 0;  // ... and still are
  };

  Place* Find(uint64_t pc) {
    auto place = std::ranges::find(places_, pc / kPlaceBytes, &Place::number);
    return place == places_.end() ? nullptr : &*place;
  }

  std::vector<Place> places_;
};

}  // namespace retake

#endif  // RETAKE_SUPERVISOR_FUTILE_LOOKS_H_
