#include "snapshot/restored_sessions.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

namespace retake {

Status RestoredSessions::StartAll(const RestoreMaterial& material) {
  processes_.resize(image_.processes.size());
  TRY(StartRoot(material));
  TRY(StartChildrenOf(0));
  // Leaders first.
  for (bool leaders : {true, false}) {
    for (size_t i = 0; i < processes_.size(); ++i) {
      if ((state(i).group == state(i).pid) == leaders) TRY(JoinGroup(i));
    }
  }
  return EndStandIns();
}

pid_t RestoredSessions::PresentGroup(pid_t group) const {
  auto leader = std::ranges::find(image_.processes, group, &ProcessState::pid);
  if (leader != image_.processes.end())
    return processes_[static_cast<size_t>(leader - image_.processes.begin())]->pid();
  if (group != 0 && (group == elders_.group || group == elders_.session)) return group;
  auto stood_for = groups_.find(group);
  return stood_for == groups_.end() ? 0 : stood_for->second;
}

Status RestoredSessions::StartRoot(const RestoreMaterial& material) {
  pid_t pid = PidFor(state(0).pid);
  if (!IsInLeaderlessSession(image_)) {
    processes_[0] = TRY(RestoredProcess::Start(material, pid));
    return {};
  }
  auto leader = TRY(RestoredProcess::Start(material, PidFor(state(0).session)));
  TRY(LeadSession(*leader));
  made_by_ = leader->pid();
  processes_[0] = TRY(leader->StartSibling(pid));
  groups_[state(0).session] = leader->pid();
  stand_ins_[state(0).session] = {kOurs, std::move(leader)};
  return {};
}

Status RestoredSessions::StartChildrenOf(size_t index) {
  auto start = [&](std::initializer_list<Maker> makers) -> Status {
    for (size_t i = index + 1; i < processes_.size(); ++i) {
      bool now =
          state(i).parent == index && std::ranges::find(makers, births_[i].maker) != makers.end();
      if (!now) continue;
      processes_[i] = TRY(Make(i));
      TRY(StartChildrenOf(i));
    }
    return {};
  };
  TRY(start({Maker::kParentBefore}));
  if (Leads(index)) {
    TRY(LeadSession(*processes_[index]));
    TRY(take_terminal_(index));
  }
  TRY(start({Maker::kParent}));
  // Their makers are there now.
  return start({Maker::kSibling, Maker::kStandIn});
}

Result<std::unique_ptr<RestoredProcess>> RestoredSessions::Make(size_t index) {
  const ProcessState& process = state(index);
  RestoredProcess& parent = *processes_[process.parent];
  pid_t pid = PidFor(process.pid);
  switch (births_[index].maker) {
    case Maker::kParent:
    case Maker::kParentBefore:
      return parent.StartChild(pid, process.exit_signal);
    case Maker::kSibling:
      return processes_[births_[index].sibling]->StartSibling(pid);
    case Maker::kStandIn:
      break;
  }
  StandIn& leader = stand_ins_[process.session];
  if (leader.process == nullptr) {
    leader.parent = process.parent;
    leader.process = TRY(parent.StartChild(PidFor(process.session), process.exit_signal));
    TRY(LeadSession(*leader.process));
    groups_[process.session] = leader.process->pid();
  }
  return leader.process->StartSibling(pid);
}

Status RestoredSessions::LeadSession(RestoredProcess& process) const {
  uint64_t result = TRY(process.Call(MakeCall(Sys::setsid)));
  if (!CallFailed(result)) return {};
  return Error(static_cast<int>(-result), "can't make a session of its own", process.pid());
}

Status RestoredSessions::Join(RestoredProcess& process, pid_t group) const {
  if (getpgid(process.pid()) == group) return {};
  uint64_t result = TRY(process.Call(MakeCall(Sys::setpgid, 0, static_cast<uint64_t>(group))));
  if (!CallFailed(result)) return {};
  return Error(static_cast<int>(-result), fmt::format("can't join process group {}", group),
               process.pid());
}

Status RestoredSessions::JoinGroup(size_t index) {
  const ProcessState& process = state(index);
  if (births_[index].lost) return {};
  pid_t group = PresentGroup(process.group);
  if (group == 0 && IsGroupOfStarter(image_, process.group)) return {};
  if (group == 0) {
    // Nobody is told that its stand-in has ended.
    constexpr int kNoSignal = 0;
    auto leader = TRY(processes_[index]->StartChild(PidFor(process.group), kNoSignal));
    group = leader->pid();
    TRY(Join(*leader, group));
    groups_[process.group] = group;
    stand_ins_[process.group] = {index, std::move(leader)};
  }
  return Join(*processes_[index], group);
}

Status RestoredSessions::EndStandIns() {
  for (auto& [pid, stand_in] : stand_ins_) {
    TRY(stand_in.process->EndAs(0));
    if (stand_in.parent == kOurs) continue;
    // What its end has left at its parent: a zombie, and the signal of it.
    RestoredProcess& parent = *processes_[stand_in.parent];
    auto ended = static_cast<uint64_t>(stand_in.process->pid());
    uint64_t reaped = TRY(parent.Call(MakeCall(Sys::wait4, ended, 0, __WALL)));
    if (reaped != ended)
      return Error(0, "can't reap what stood in for the leader of a group", parent.pid());
    struct {
      uint64_t signals;
      timespec wait;
    } what{.signals = uint64_t{1} << (SIGCHLD - 1), .wait = {}};
    // There may be none.
    TRY(parent.CallWith(
        {reinterpret_cast<const uint8_t*>(&what), sizeof what},
        MakeCall(Sys::rt_sigtimedwait, parent.scratch(), 0,
                 parent.scratch() + offsetof(decltype(what), wait), sizeof what.signals)));
  }
  stand_ins_.clear();
  return {};
}

}  // namespace retake
