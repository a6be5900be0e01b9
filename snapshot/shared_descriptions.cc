#include "snapshot/shared_descriptions.h"

#include <fcntl.h>
#include <signal.h>

namespace retake {

Result<int> SharedDescriptions::Signal(pid_t tid, int number, int signal) const {
  const Process& process = processes_.at(tid);
  ProcStatus status = TRY(ProcStatus::ReadTask(process.pid, tid));
  auto site = TRY(InjectionSite::Find(*process.memory, *process.mappings, process.pid));
  auto injection = TRY(Injection::Begin(process.pid, *process.task, status, *process.memory, site));
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

Result<bool> SharedDescriptions::AreOne(pid_t tid, int number, pid_t other_tid,
                                        int other_number) const {
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
