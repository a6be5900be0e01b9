#include "snapshot/sharing_probe.h"

#include <fcntl.h>
#include <signal.h>

#include <algorithm>

namespace retake {

Result<std::unique_ptr<Injection>> SharingProbe::Begin(pid_t tid) const {
  const Process& process = processes_.at(tid);
  ProcStatus status = TRY(ProcStatus::ReadTask(process.pid, tid));
  auto site = TRY(InjectionSite::Find(*process.memory, *process.mappings, process.pid));
  return Injection::Begin(process.pid, *process.task, status, *process.memory, site);
}

Result<bool> SharingProbe::ShareMemory(pid_t tid, pid_t other_tid) const {
  auto covers = [](const std::vector<Mapping>& mappings, uint64_t address) {
    return std::ranges::any_of(mappings, [&](const Mapping& mapping) {
      return mapping.start <= address && address < mapping.end;
    });
  };
  auto before = TRY(ReadMappings(other_tid));
  auto injection = TRY(Begin(tid));
  uint64_t address = injection->Room(1);
  auto after = TRY(ReadMappings(other_tid));
  TRY(injection->End());
  // Where the other has something of its own, this one has nothing: they aren't the same.
  return covers(after, address) && !covers(before, address);
}

Result<int> SharingProbe::Signal(pid_t tid, int number, int signal) const {
  auto injection = TRY(Begin(tid));
  auto fd = static_cast<uint64_t>(number);
  size_t was = injection->Add(MakeCall(Sys::fcntl, fd, F_GETSIG));
  if (signal >= 0)
    injection->Add(MakeCall(Sys::fcntl, fd, F_SETSIG, static_cast<uint64_t>(signal)));
  TRY(injection->Run());
  auto answer = static_cast<int64_t>(injection->result(was));
  TRY(injection->End());
  // O_PATH descriptors have none, and no offset that could be shared.
  return static_cast<int>(answer);
}

Result<bool> SharingProbe::AreOne(pid_t tid, int number, pid_t other_tid, int other_number) const {
  int before = TRY(Signal(other_tid, other_number, -1));
  if (before < 0) return false;
  const int probe = before == SIGRTMAX ? SIGRTMAX - 1 : SIGRTMAX;
  int own = TRY(Signal(tid, number, probe));
  if (own < 0) return false;
  bool one = TRY(Signal(other_tid, other_number, -1)) == probe;
  TRY(Signal(tid, number, own));
  return one;
}

}  // namespace retake
