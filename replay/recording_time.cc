// Calls that ask for the time, answered by the recorder itself: that takes one stop instead of two,
// and where the vDSO makes plain syscalls, programs make a lot of them.
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <optional>
#include <string>

#include "replay/recording.h"
#include "supervisor/own_traps.h"
#include "tracee/proc_files.h"
#include "tracee/remote_calls.h"

namespace retake {
namespace {

// Whether the clock shows every process the same, and every one of a time namespace. Others show a
// process's own CPU time, or wake a machine.
struct ClockScope {
  bool common = false;
  bool of_namespace = false;
};
ClockScope ScopeOf(clockid_t clock) {
  switch (clock) {
    case CLOCK_REALTIME:
    case CLOCK_REALTIME_COARSE:
    case CLOCK_TAI:
      return {true, false};
    case CLOCK_MONOTONIC:
    case CLOCK_MONOTONIC_COARSE:
    case CLOCK_MONOTONIC_RAW:
    case CLOCK_BOOTTIME:
      return {true, true};
    default:
      return {};
  }
}

timeval TimeOfDay() {
  timespec now{};
  (void)HostTime(CLOCK_REALTIME, &now);
  return {now.tv_sec, now.tv_nsec / 1'000};
}

template <typename T>
ByteSpan BytesOf(const T& value) {
  return {reinterpret_cast<const uint8_t*>(&value), sizeof value};
}

}  // namespace

bool Recording::HasOurTime(Task& task) {
  constexpr const char* kNamespace = "ns/time";
  static const std::string kOurs = ReadProcLink(getpid(), kNamespace);
  std::optional<bool>& known = State(task).has_our_time;
  if (!known) known = !kOurs.empty() && ReadProcLink(task.pid, kNamespace) == kOurs;
  return *known;
}

std::optional<CallVerdict> Recording::AnswerTime(Task& task) {
  auto arg = [&](int index) { return machine::Argument(task.entry, index); };
  // What the program may not write to, the kernel is asked to.
  auto answer = [&](int64_t result, int index, ByteSpan bytes) -> std::optional<CallVerdict> {
    if (!bytes.empty() && !task.process->memory.WriteIfAllowed(arg(index), bytes))
      return std::nullopt;
    TaskMemory::Output write{arg(index), bytes};
    return AnswerWritten(task, result, {&write, bytes.empty() ? 0U : 1U});
  };
  switch (task.sys) {
    case Sys::clock_gettime: {
      auto clock = static_cast<clockid_t>(arg(0));
      ClockScope scope = ScopeOf(clock);
      timespec now{};
      bool same = scope.common && (!scope.of_namespace || HasOurTime(task));
      if (!same || !HostTime(clock, &now)) return std::nullopt;
      return answer(0, 1, BytesOf(now));
    }
    case Sys::gettimeofday: {
      if (arg(0) == 0 || arg(1) != 0) return std::nullopt;
      timeval now = TimeOfDay();
      return answer(0, 0, BytesOf(now));
    }
    case Sys::time: {
      int64_t seconds = TimeOfDay().tv_sec;
      return answer(seconds, 0, arg(0) == 0 ? ByteSpan() : BytesOf(seconds));
    }
    case Sys::setns:
      State(task).has_our_time.reset();
      return std::nullopt;
    default:
      return std::nullopt;
  }
}

Result<CallVerdict> Recording::AnswerLegacyPage(Task& task) {
  // Such a call has no exit stop, so its answer is made here: the page knows three calls.
  timeval now = TimeOfDay();
  int64_t result = 0;
  auto put = [&](int argument, const void* value, size_t size) {
    uint64_t address = machine::Argument(task.entry, argument);
    if (address == 0) return;
    ByteSpan bytes(static_cast<const uint8_t*>(value), size);
    if (!task.process->memory.Write(address, bytes).ok()) result = -EFAULT;
  };
  switch (task.sys) {
    case Sys::time: {
      int64_t seconds = now.tv_sec;
      put(0, &seconds, sizeof seconds);
      if (result == 0) result = seconds;
      break;
    }
    case Sys::gettimeofday: {
      struct timezone zone {};
      put(0, &now, sizeof now);
      put(1, &zone, sizeof zone);
      break;
    }
    case Sys::getcpu: {
      uint32_t cpu = static_cast<uint32_t>(std::max(0, CurrentCpu()));
      uint32_t node = 0;
      put(0, &cpu, sizeof cpu);
      put(1, &node, sizeof node);
      break;
    }
    default:
      result = -ENOSYS;
      break;
  }
  Begin(task, EventKind::kSyscall);
  event_.before = event_.after = task.entry;
  uint64_t return_address = 0;
  task.process->memory.ReadValue(Sp(task.entry), &return_address);
  machine::FinishLegacyPageCall(event_.after, return_address, result);
  (void)TRY(AddMemory(task, RowOf(task.sys), result));
  Write(task);
  return CallVerdict{CallVerdict::Kind::kAnswer, result};
}

}  // namespace retake
