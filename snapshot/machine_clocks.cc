#include "snapshot/machine_clocks.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "base/clock.h"
#include "base/fd.h"
#include "tracee/proc_files.h"

namespace retake {
namespace {

constexpr int64_t kSecond = 1'000'000'000;

// The kernel's name for the machine's present run; empty if it can't be read.
std::string BootId() {
  auto id = ReadWhole("/proc/sys/kernel/random/boot_id");
  return id.ok() ? id->substr(0, id->find('\n')) : "";
}

// Those of the namespace that a process's children will be in: its own too, for all that is looked
// at here. None on a kernel without such namespaces.
ClockShift ShiftOf(pid_t pid) {
  ClockShift shift;
  auto offsets = ReadProcFile(pid, "timens_offsets");
  if (!offsets.ok()) return shift;
  // "monotonic SECONDS NANOSECONDS", a line each.
  auto find = [&](const char* name) -> int64_t {
    size_t at = offsets->find(name);
    long long seconds = 0, nanoseconds = 0;
    if (at == std::string::npos ||
        sscanf(offsets->c_str() + at, "%*s %lld %lld", &seconds, &nanoseconds) != 2)
      return 0;
    return seconds * kSecond + nanoseconds;
  };
  shift.monotonic = find("monotonic");
  shift.boottime = find("boottime");
  return shift;
}

std::string OffsetLine(const char* clock, int64_t offset) {
  // The nanoseconds are counted forwards.
  int64_t seconds = offset / kSecond - (offset % kSecond < 0 ? 1 : 0);
  return fmt::format("{} {} {}", clock, seconds, offset - seconds * kSecond);
}

Status MakeNamespace(const ClockShift& shift) {
  if (unshare(CLONE_NEWTIME) != 0) return ErrnoError("can't make a time namespace");
  constexpr const char* kOffsets = "/proc/self/timens_offsets";
  TRY(WriteWhole(kOffsets, OffsetLine("monotonic", shift.monotonic)));
  TRY(WriteWhole(kOffsets, OffsetLine("boottime", shift.boottime)));
  return {};
}

std::string WhatIsLost(int64_t ahead, const Error& why) {
  int64_t seconds = (std::abs(ahead) + kSecond - 1) / kSecond;
  return fmt::format(
      "the clocks that count from the machine's start go {} by {} s for what is restored: who "
      "sleeps until a time on them sleeps that much {} (to keep them takes a time namespace: {})",
      ahead > 0 ? "back" : "on", seconds, ahead > 0 ? "longer" : "shorter", why.Message());
}

}  // namespace

void CaptureClocks(pid_t root, std::span<const pid_t> pids, CheckpointImage& image) {
  auto name_of = [](pid_t pid) { return ReadProcLink(pid, "ns/time"); };
  std::string roots = name_of(root);
  for (pid_t pid : pids) {
    if (name_of(pid) == roots) continue;
    image.losses.push_back(
        {.pid = pid,
         .kind = "namespace",
         .what =
             fmt::format("it is in another time namespace than pid {}: only one is kept", root)});
  }
  image.boot = BootId();
  image.clock_shift = ShiftOf(root);
  ClockShift own = ShiftOf(getpid());
  int64_t monotonic = image.clock_shift.monotonic - own.monotonic;
  int64_t boottime = image.clock_shift.boottime - own.boottime;
  image.monotonic_at += monotonic;
  image.boottime_at += boottime;
  for (OpenFile& file : image.open_files) {
    if (!file.timer || file.timer->expires == 0) continue;
    int clock = file.timer->clock;
    if (clock == CLOCK_MONOTONIC) file.timer->expires += monotonic;
    if (clock == CLOCK_BOOTTIME || clock == CLOCK_BOOTTIME_ALARM) file.timer->expires += boottime;
  }
}

ClockShift WantedShift(const CheckpointImage& image) {
  // The machine's own.
  ClockShift shown = ShiftOf(getpid());
  int64_t monotonic = ClockNanoseconds(CLOCK_MONOTONIC) - shown.monotonic;
  int64_t boottime = ClockNanoseconds(CLOCK_BOOTTIME) - shown.boottime;
  std::string boot = BootId();
  // Where it can't be told: a clock that would go back is another run's.
  bool same = image.boot.empty() || boot.empty()
                  ? monotonic + image.clock_shift.monotonic >= image.monotonic_at
                  : image.boot == boot;
  if (same) return image.clock_shift;
  int64_t passed = std::max<int64_t>(ClockNanoseconds(CLOCK_REALTIME) - image.taken_at, 0);
  return {.monotonic = image.monotonic_at + passed - monotonic,
          .boottime = image.boottime_at + passed - boottime};
}

Result<std::string> EnterClocks(const ClockShift& wanted) {
  ClockShift own = ShiftOf(getpid());
  if (wanted == own) return std::string();
  Status made = MakeNamespace(wanted);
  if (!made.ok()) return WhatIsLost(wanted.monotonic - own.monotonic, made.error());
  // Only children would be in it; but not all of them: none that is made with CLONE_VM.
  Fd space(open("/proc/self/ns/time_for_children", O_RDONLY | O_CLOEXEC));
  if (!space || setns(space.get(), CLONE_NEWTIME) != 0)
    return ErrnoError("can't enter a time namespace that was made for it");
  return std::string();
}

}  // namespace retake
