#include "supervisor/placement.h"

#include <algorithm>

namespace retake {
namespace {

// More stops than this between two looks, and a group that runs alone on its CPU is better off on
// the tracer's: a stop costs about 14 us more elsewhere, and a look comes every 20 ms.
constexpr uint64_t kManyStops = 50;

}  // namespace

bool Computes(const ShareGroup& group) {
  return group.holder != nullptr && group.holder->phase == Task::Phase::kUser;
}

Placement::Placement(int home, const cpu_set_t& allowed) : home_(home) {
  if (home < 0) return;
  cpus_.push_back(home);
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (cpu != home && CPU_ISSET(static_cast<size_t>(cpu), &allowed)) cpus_.push_back(cpu);
  }
}

size_t Placement::RunningOn(int cpu, const std::vector<ShareGroup*>& groups) const {
  return static_cast<size_t>(std::count_if(
      groups.begin(), groups.end(),
      [&](const ShareGroup* group) { return group->cpu == cpu && Computes(*group); }));
}

int Placement::Choose(int cpu, const std::vector<ShareGroup*>& groups) const {
  if (!has_choice()) return cpu;
  int best = cpu;
  size_t least = RunningOn(cpu, groups);
  for (int other : cpus_) {
    size_t running = RunningOn(other, groups);
    if (running < least) {
      best = other;
      least = running;
    }
  }
  return best;
}

std::vector<Placement::Move> Placement::Balance(const std::vector<ShareGroup*>& groups) const {
  if (!has_choice()) return {};
  int fullest = home_;
  int emptiest = home_;
  for (int cpu : cpus_) {
    if (RunningOn(cpu, groups) > RunningOn(fullest, groups)) fullest = cpu;
    if (RunningOn(cpu, groups) < RunningOn(emptiest, groups)) emptiest = cpu;
  }
  ShareGroup* chosen = nullptr;
  if (RunningOn(fullest, groups) > RunningOn(emptiest, groups) + 1) {
    // The one with the fewest stops suffers least from being elsewhere, or gains least from coming
    // home.
    for (ShareGroup* group : groups) {
      if (group->cpu != fullest || !group->movable || !Computes(*group)) continue;
      if (chosen == nullptr || group->stops < chosen->stops) chosen = group;
    }
    if (chosen == nullptr) return {};
    return {{chosen, emptiest}};
  }
  if (RunningOn(home_, groups) > 0) return {};
  for (ShareGroup* group : groups) {
    if (group->cpu == home_ || !Computes(*group) || group->stops < kManyStops) continue;
    if (chosen == nullptr || group->stops > chosen->stops) chosen = group;
  }
  if (chosen == nullptr) return {};
  return {{chosen, home_}};
}

}  // namespace retake
