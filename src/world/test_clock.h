// TestClock: a clock that a test sets, in place of the machine's. Answers clock_gettime,
// gettimeofday, time and clock_getres through the notify tier, the vDSO's callers included once the
// vDSO is patched to make the calls (S15).
//
// Every reading sees one tick more than the last, so that what a program reads depends on its calls
// alone. The clocks agree: wall-clock ids differ from the others by a constant.
#ifndef RETAKE_WORLD_TEST_CLOCK_H_
#define RETAKE_WORLD_TEST_CLOCK_H_

#include <atomic>
#include <cstdint>

#include "supervisor/call_handler.h"

namespace retake {

class TestClock : public CallHandler {
 public:
  struct Start {
    int64_t realtime = 1'000'000'000'000'000'000;  // ns since the epoch: 2001-09-09 01:46:40 UTC
    int64_t monotonic = 1'000'000'000;  // ns since "boot"; CPU time clocks begin here too
    int64_t tick = 1'000;               // ns that each reading takes
  };

  TestClock() : TestClock(Start{}) {}
  explicit TestClock(const Start& start) : start_(start) {}

  // Lets time pass. From any thread; a call that is being answered may see either side of it.
  void Advance(int64_t nanoseconds) { elapsed_ += nanoseconds; }
  // What the next reading gives, in ns.
  int64_t realtime() const { return start_.realtime + elapsed_; }
  int64_t monotonic() const { return start_.monotonic + elapsed_; }
  uint64_t readings() const { return readings_; }

  bool Handles(Sys sys) const override;
  Answer Handle(const NotifyCall& call) override;
  void Answered(const NotifyCall& call) override;

 private:
  Answer GetTime(const NotifyCall& call) const;
  Answer GetResolution(const NotifyCall& call) const;
  Answer GetTimeOfDay(const NotifyCall& call) const;
  Answer Time(const NotifyCall& call) const;

  const Start start_;
  std::atomic<int64_t> elapsed_ = 0;
  std::atomic<uint64_t> readings_ = 0;
};

}  // namespace retake

#endif  // RETAKE_WORLD_TEST_CLOCK_H_
