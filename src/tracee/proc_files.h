// What /proc tells of a process, read whole and taken apart.
#ifndef RETAKE_TRACEE_PROC_FILES_H_
#define RETAKE_TRACEE_PROC_FILES_H_

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "arch/arch.h"
#include "base/result.h"

namespace retake {

// The whole of a file whose size isn't known. `pid` is who it is about, for the error; 0: nobody.
Result<std::string> ReadWhole(const std::string& path, pid_t pid = 0);
// Writes all of `text` at once, as files of /proc want it.
Status WriteWhole(const std::string& path, const std::string& text);
// The whole of /proc/PID/NAME.
Result<std::string> ReadProcFile(pid_t pid, std::string_view name);
// Where the link /proc/PID/NAME leads; empty if that can't be read.
std::string ReadProcLink(pid_t pid, std::string_view name);
// Its arguments; of very long ones the first megabyte.
std::vector<std::string> ReadArguments(pid_t pid);
// The tasks of a process, ascending; empty if it is gone.
std::vector<pid_t> TasksOf(pid_t pid);
// Its descriptors, ascending; empty if they can't be seen.
std::vector<int> DescriptorsOf(pid_t pid);
// Closes all descriptors of this process but those.
void KeepOnly(const std::set<int>& kept);
// All processes that can be seen.
std::vector<pid_t> AllProcesses();
// The call that a task sleeps in; nullopt if it doesn't, is stopped, or may not be looked at.
std::optional<SleepingCall> ReadSleepingCall(pid_t tid);
// The children that a task has started and not reaped.
std::vector<pid_t> ChildrenOf(pid_t pid, pid_t tid);
// The pids of a process, from that in this process's pid namespace on to that in its own; empty: it
// can't be seen.
std::vector<uint64_t> PidsInNamespaces(pid_t pid);
// The nearest of a process's descendants that is `wanted`; 0: none is.
pid_t FindDescendant(pid_t pid, const std::function<bool(pid_t)>& wanted);

// /proc/PID/stat, proc_pid_stat(5).
class ProcStat {
 public:
  static Result<ProcStat> Read(pid_t pid);
  static Result<ProcStat> ReadTask(pid_t pid, pid_t tid);
  char state() const { return state_; }
  const std::string& name() const { return name_; }
  // The field of that number in the manual page, from 4 on.
  int64_t field(size_t number) const { return fields_.at(number - 4); }
  uint64_t address(size_t number) const { return static_cast<uint64_t>(field(number)); }

 private:
  static Result<ProcStat> Parse(std::string_view text);
  char state_ = '?';
  std::string name_;
  std::vector<int64_t> fields_;
};

// The state letter of /proc/PID/stat alone (proc(5)), for those who ask often; 0 if there is none.
char StateOf(pid_t pid);

// The lines of /proc/PID/status.
class ProcStatus {
 public:
  static Result<ProcStatus> Read(pid_t pid);
  static Result<ProcStatus> ReadTask(pid_t pid, pid_t tid);
  // What stands after "NAME:"; nullopt where the kernel has no such line.
  std::optional<std::string_view> Line(std::string_view name) const;
  // The numbers of a line; empty where there is none.
  std::vector<uint64_t> Numbers(std::string_view name, int base = 10) const;
  uint64_t Number(std::string_view name, int base = 10, uint64_t otherwise = 0) const;

 private:
  std::string text_;
};

}  // namespace retake

#endif  // RETAKE_TRACEE_PROC_FILES_H_
