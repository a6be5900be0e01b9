// RestoredProcess: the part that sets its timers again.
#include <signal.h>
#include <sys/time.h>
#include <time.h>

#include <algorithm>
#include <cstring>

#include "snapshot/restored_process.h"

namespace retake {
namespace {

// <linux/prctl.h>, Linux 6.16: PR_TIMER_CREATE_RESTORE_IDS.
constexpr uint64_t kRestoreIds = 77;
constexpr uint64_t kOff = 0;
constexpr uint64_t kOn = 1;

constexpr int64_t kSecond = 1'000'000'000;

// struct sigevent as the kernel has it, with the part that is used here.
struct KernelSigevent {
  uint64_t value;
  int32_t signal, notify, tid;
  int32_t padding[11];
};
static_assert(sizeof(KernelSigevent) == 64);

template <typename T>
ByteSpan BytesOf(const T& value) {
  return {reinterpret_cast<const uint8_t*>(&value), sizeof value};
}

}  // namespace

Status RestoredProcess::BuildTimers(const ProcessState& state) {
  for (const IntervalTimer& timer : state.timers) {
    auto split = [](int64_t nanoseconds) {
      return timeval{nanoseconds / kSecond, nanoseconds / 1'000 % 1'000'000};
    };
    itimerval value{split(timer.interval), split(std::max<int64_t>(timer.remaining, 1'000))};
    uint64_t result = TRY(CallWith(
        BytesOf(value), MakeCall(Sys::setitimer, static_cast<uint64_t>(timer.which), scratch())));
    if (CallFailed(result)) return Error(static_cast<int>(-result), "can't set a timer", pid_);
  }
  if (state.posix_timers.empty()) return {};
  // Without it, ids are counted up, and timers are made and deleted until one has the right id.
  bool by_id = TRY(Call(MakeCall(Sys::prctl, kRestoreIds, kOn))) == 0;
  std::vector<PosixTimer> timers = state.posix_timers;
  std::ranges::sort(timers, {}, &PosixTimer::id);
  for (const PosixTimer& timer : timers) TRY(BuildPosixTimer(timer, state, by_id));
  if (by_id) TRY(Call(MakeCall(Sys::prctl, kRestoreIds, kOff)));
  return {};
}

Status RestoredProcess::BuildPosixTimer(const PosixTimer& timer, const ProcessState& state,
                                        bool by_id) {
  KernelSigevent event{timer.value, timer.signal, timer.notify, 0, {}};
  if (timer.notify == SIGEV_THREAD_ID) {
    auto target = std::ranges::find(state.tasks, timer.tid, &TaskState::tid);
    if (target == state.tasks.end())
      return Error(0, fmt::format("timer {} is for a task that isn't there", timer.id), pid_);
    event.tid = LivingTasks(state)[static_cast<size_t>(target - state.tasks.begin())].tid;
  }
  const uint64_t id_at = scratch() + sizeof event;
  constexpr int kMostTries = 100'000;
  for (int tries = 0;; ++tries) {
    std::vector<uint8_t> bytes(sizeof event + sizeof timer.id);
    memcpy(bytes.data(), &event, sizeof event);
    memcpy(bytes.data() + sizeof event, &timer.id, sizeof timer.id);
    uint64_t result = TRY(CallWith(
        bytes, MakeCall(Sys::timer_create, static_cast<uint64_t>(timer.clock), scratch(), id_at)));
    int32_t id = -1;
    if (CallFailed(result) || !memory_.Read(id_at, &id, sizeof id)) {
      return Error(static_cast<int>(-result), fmt::format("can't make its timer {}", timer.id),
                   pid_);
    }
    if (id == timer.id) break;
    TRY(Call(MakeCall(Sys::timer_delete, static_cast<uint64_t>(id))));
    if (by_id || id > timer.id || tries > kMostTries)
      return Error(0, fmt::format("can't give its timer the id {}", timer.id), pid_);
  }
  auto split = [](int64_t nanoseconds) {
    return timespec{nanoseconds / kSecond, nanoseconds % kSecond};
  };
  itimerspec value{split(timer.interval), split(timer.remaining)};
  uint64_t result = TRY(CallWith(
      BytesOf(value), MakeCall(Sys::timer_settime, static_cast<uint64_t>(timer.id), 0, scratch())));
  if (CallFailed(result)) {
    return Error(static_cast<int>(-result), fmt::format("can't set its timer {}", timer.id), pid_);
  }
  return {};
}

}  // namespace retake
