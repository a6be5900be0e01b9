#include "snapshot/sessions.h"

#include <algorithm>
#include <map>
#include <set>

namespace retake {
namespace {

bool Leads(const ProcessState& process) { return process.session == process.pid; }

const ProcessState* Find(std::span<const ProcessState> processes, pid_t pid) {
  auto found = std::ranges::find(processes, pid, &ProcessState::pid);
  return found == processes.end() ? nullptr : &*found;
}

}  // namespace

std::vector<Birth> PlanBirths(std::span<const ProcessState> processes) {
  std::vector<Birth> births(processes.size());
  // The session that each is born into; 0: that of the tree's maker, whatever it is.
  std::vector<pid_t> born_into(processes.size());
  if (!Leads(processes[0])) born_into[0] = processes[0].session;
  std::map<pid_t, uint32_t> parents_of_stand_ins;  // by session
  for (size_t i = 1; i < processes.size(); ++i) {
    const ProcessState& process = processes[i];
    const ProcessState& parent = processes[process.parent];
    Birth& birth = births[i];
    born_into[i] = Leads(process) ? parent.session : process.session;
    if (born_into[i] == parent.session) continue;
    if (Leads(parent) && process.session == born_into[process.parent]) {
      birth.maker = Maker::kParentBefore;
      continue;
    }
    const ProcessState* leader = Find(processes, process.session);
    if (leader == nullptr) {
      birth.maker = Maker::kStandIn;
      // It has one parent only.
      birth.lost = parents_of_stand_ins.emplace(process.session, process.parent).first->second !=
                   process.parent;
    } else {
      birth.maker = Maker::kSibling;
      birth.sibling = static_cast<size_t>(leader - processes.data());
      // Who is made by a sibling ends with the same signal as that.
      birth.lost = birth.sibling == 0 || !Leads(*leader) || leader->parent != process.parent ||
                   leader->exit_signal != process.exit_signal;
    }
    if (birth.lost) {
      birth.maker = Maker::kParent;
      born_into[i] = parent.session;
    }
  }
  return births;
}

void FindLostSessions(std::span<const ProcessState> processes, Losses& losses) {
  std::vector<Birth> births = PlanBirths(processes);
  for (size_t i = 0; i < births.size(); ++i) {
    if (!births[i].lost) continue;
    losses.push_back(
        {.pid = processes[i].pid,
         .kind = "session",
         .what = fmt::format("it is in session {}, in which no child of pid {} can be made: it "
                             "would be in its parent's",
                             processes[i].session, processes[processes[i].parent].pid)});
  }
}

bool IsInLeaderlessSession(const CheckpointImage& image) {
  const ProcessState& root = image.processes[0];
  return image.leaderless && !Leads(root) && root.controlling_terminal < 0;
}

bool IsGroupOfStarter(const CheckpointImage& image, pid_t group) {
  const ProcessState& root = image.processes[0];
  if (group != root.group || Find(image.processes, group) != nullptr) return false;
  return !IsInLeaderlessSession(image);
}

std::vector<std::string_view> OutsideOfTree(const CheckpointImage& image,
                                            const ProcessState& process) {
  const ProcessState& root = image.processes[0];
  std::vector<std::string_view> outside;
  if (&process == &root) outside.emplace_back("parent");
  if (IsGroupOfStarter(image, process.group)) outside.emplace_back("group");
  bool in_roots = process.session == root.session && !Leads(root);
  if (in_roots && !IsInLeaderlessSession(image)) outside.emplace_back("session");
  return outside;
}

std::vector<pid_t> AbsentLeaders(const CheckpointImage& image) {
  std::set<pid_t> absent;
  std::vector<Birth> births = PlanBirths(image.processes);
  if (IsInLeaderlessSession(image)) absent.insert(image.processes[0].session);
  for (size_t i = 0; i < births.size(); ++i) {
    const ProcessState& process = image.processes[i];
    if (births[i].maker == Maker::kStandIn) absent.insert(process.session);
    bool known = Find(image.processes, process.group) != nullptr;
    if (!births[i].lost && !known && !IsGroupOfStarter(image, process.group))
      absent.insert(process.group);
  }
  return {absent.begin(), absent.end()};
}

}  // namespace retake
