#include "snapshot/restarted_call.h"

#include <linux/futex.h>
#include <time.h>

#include <algorithm>
#include <climits>
#include <vector>

#include "tracee/remote_calls.h"

namespace retake {
namespace {

class Arguments {
 public:
  Arguments(const ReadableMemory& memory, const Registers& stopped)
      : memory_(memory), stopped_(stopped) {}

  // Whether they make sense for the call, one that the kernel restarts with what is left of its
  // time limit (the users of ERESTART_RESTARTBLOCK).
  bool Fit(Sys sys) const {
    switch (sys) {
      case Sys::nanosleep:
        return IsPeriod(0) && IsPointerOrNull(1);
      case Sys::clock_nanosleep:
        // Clocks of processes and tasks have negative numbers.
        return Int(0) < kClocks && Int(1) == 0 && IsPeriod(2) && IsPointerOrNull(3);
      case Sys::futex: {
        int operation = Int(1) & FUTEX_CMD_MASK;
        return (operation == FUTEX_WAIT || operation == FUTEX_WAIT_BITSET) &&
               Whole(0) % sizeof(uint32_t) == 0 && CanRead(0, sizeof(uint32_t)) && IsPeriod(3);
      }
      case Sys::poll:
        // The limit is an int, which nobody makes of a pointer.
        return Whole(1) <= kMostPolled && Whole(2) > 0 && Whole(2) <= INT_MAX &&
               (Whole(1) == 0 || CanRead(0, Whole(1) * kPollEntry));
      default:
        return false;
    }
  }

 private:
  static constexpr int kClocks = 16;                // MAX_CLOCKS, linux/time.h
  static constexpr uint64_t kMostPolled = 1 << 20;  // the highest limit of descriptors by default
  static constexpr uint64_t kPollEntry = 8;         // struct pollfd

  uint64_t Whole(int index) const { return machine::Argument(stopped_, index); }
  int Int(int index) const { return static_cast<int>(Whole(index)); }

  bool CanRead(int index, uint64_t size) const {
    std::vector<uint8_t> bytes(size);
    return memory_.Read(Whole(index), bytes.data(), bytes.size());
  }

  bool IsPointerOrNull(int index) const {
    return Whole(index) == 0 || CanRead(index, sizeof(timespec));
  }

  // A time that a call would accept.
  bool IsPeriod(int index) const {
    timespec time{};
    constexpr long kNanoseconds = 1'000'000'000;
    return memory_.Read(Whole(index), &time, sizeof time) && time.tv_sec >= 0 &&
           time.tv_nsec >= 0 && time.tv_nsec < kNanoseconds;
  }

  const ReadableMemory& memory_;
  const Registers& stopped_;
};

}  // namespace

std::optional<int64_t> RestartedCall(const ReadableMemory& memory, const Registers& stopped,
                                     const StoppedCall& call) {
  const Arguments arguments(memory, stopped);
  uint64_t end = Pc(machine::Resumable(stopped, call, /*same_kernel_task=*/false));
  // There may be no page before the one that it is in.
  constexpr uint64_t kSmallestPage = 4096;
  size_t size = std::min<uint64_t>(machine::kLoadedCallBytes, (end - 1) % kSmallestPage + 1);
  std::vector<uint8_t> code(machine::kLoadedCallBytes);
  if (!memory.Read(end - code.size(), code.data(), code.size())) code.resize(size);
  if (memory.Read(end - code.size(), code.data(), code.size())) {
    auto loaded = machine::LoadedCall(code);
    if (loaded && arguments.Fit(HostArch().SysOf(*loaded))) return loaded;
  }
  // A wrapper that is given the number. Behind the arguments of the one call the registers may hold
  // what would do for another.
  std::optional<int64_t> found;
  for (Sys sys : {Sys::nanosleep, Sys::clock_nanosleep, Sys::futex, Sys::poll}) {
    int64_t number = HostArch().NumberOf(sys);
    if (number < 0 || !arguments.Fit(sys)) continue;
    if (found) return std::nullopt;
    found = number;
  }
  return found;
}

}  // namespace retake
