// Descriptors that are objects of the kernel's with a few numbers in them: eventfd, timerfd,
// signalfd. All of these are in fdinfo, proc_pid_fdinfo(5).
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <cstring>

#include "base/clock.h"
#include "snapshot/fd_kind.h"

namespace retake {
namespace {

// --- eventfd ---

bool IsEventFd(const FdSubject& subject) { return subject.link == "anon_inode:[eventfd]"; }

Result<bool> CaptureEventFd(const FdSubject& subject, FdCapture& capture, OpenFile& out) {
  out.event = EventFdState{.count = subject.InfoNumber("eventfd-count", 16),
                           .semaphore = subject.InfoNumber("eventfd-semaphore", 10) != 0};
  if (subject.Info("eventfd-semaphore").empty()) {
    capture.Lose(subject,
                 "this kernel (before 6.5) doesn't tell whether it is a semaphore: it would be a "
                 "plain counter",
                 LossNature::kPossible);
  }
  return true;
}

Result<Fd> OpenEventFd(const OpenFile& file, FdRestore&) {
  Fd fd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK | (file.event->semaphore ? EFD_SEMAPHORE : 0)));
  if (!fd) return ErrnoError("can't make an eventfd");
  uint64_t count = file.event->count;
  if (count != 0 && write(fd.get(), &count, sizeof count) != sizeof count)
    return ErrnoError("can't set an eventfd to {}", count);
  TRY(SetStatusFlags(fd.get(), file));
  return fd;
}

// --- timerfd ---

// <linux/timerfd.h>: TFD_IOC_SET_TICKS, Linux 3.17; there with CONFIG_CHECKPOINT_RESTORE.
constexpr unsigned long kSetTicks = _IOW('T', 0, uint64_t);

bool IsTimerFd(const FdSubject& subject) { return subject.link == "anon_inode:[timerfd]"; }

// The clock that shows the same time: those that wake a machine up can't be read everywhere.
int PlainClock(int clock) {
  if (clock == CLOCK_REALTIME_ALARM) return CLOCK_REALTIME;
  return clock == CLOCK_BOOTTIME_ALARM ? CLOCK_BOOTTIME : clock;
}

Result<bool> CaptureTimerFd(const FdSubject& subject, FdCapture& capture, OpenFile& out) {
  // A repeating timer that has expired stands still until somebody asks: then the kernel counts
  // what it has missed, and fdinfo shows that.
  itimerspec value{};
  if (subject.copy == nullptr || timerfd_gettime(subject.copy->get(), &value) != 0) {
    capture.Lose(subject, "how often it has expired can't be asked");
    return false;
  }
  FdSubject now = subject;
  now.info = TRY(ReadProcFile(subject.pid, fmt::format("fdinfo/{}", subject.number)));
  out.timer = TimerFdState{.clock = static_cast<int32_t>(now.InfoNumber("clockid", 10)),
                           .settings = static_cast<int32_t>(now.InfoNumber("settime flags", 8)),
                           .ticks = now.InfoNumber("ticks", 10),
                           .remaining = Nanoseconds(value.it_value),
                           .interval = Nanoseconds(value.it_interval)};
  TimerFdState& timer = *out.timer;
  if (timer.remaining != 0 && (timer.settings & TFD_TIMER_ABSTIME) != 0)
    timer.expires = ClockNanoseconds(PlainClock(timer.clock)) + timer.remaining;
  return true;
}

Result<Fd> OpenTimerFd(const OpenFile& file, FdRestore&) {
  const TimerFdState& timer = *file.timer;
  Fd fd(timerfd_create(timer.clock, TFD_CLOEXEC | TFD_NONBLOCK));
  if (!fd) return ErrnoError("can't make a timerfd of clock {}", timer.clock);
  auto split = [](int64_t time) { return timespec{time / 1'000'000'000, time % 1'000'000'000}; };
  int settings = timer.expires != 0 ? timer.settings : 0;
  itimerspec value{split(timer.interval),
                   split(timer.expires != 0 ? timer.expires : timer.remaining)};
  if (timer.remaining != 0 && timerfd_settime(fd.get(), settings, &value, nullptr) != 0)
    return ErrnoError("can't set a timerfd");
  if (timer.ticks != 0 && ioctl(fd.get(), kSetTicks, &timer.ticks) != 0)
    return ErrnoError("can't give a timerfd its {} unread expirations", timer.ticks);
  TRY(SetStatusFlags(fd.get(), file));
  return fd;
}

// --- signalfd ---

bool IsSignalFd(const FdSubject& subject) { return subject.link == "anon_inode:[signalfd]"; }

Result<bool> CaptureSignalFd(const FdSubject& subject, FdCapture&, OpenFile& out) {
  out.signals = SignalFdState{.mask = subject.InfoNumber("sigmask", 16)};
  return true;
}

Result<Fd> OpenSignalFd(const OpenFile& file, FdRestore&) {
  sigset_t mask;
  sigemptyset(&mask);
  memcpy(&mask, &file.signals->mask, sizeof file.signals->mask);
  Fd fd(signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd) return ErrnoError("can't make a signalfd");
  TRY(SetStatusFlags(fd.get(), file));
  return fd;
}

}  // namespace

constinit const FdKind kEventFdFd = {FileKind::kEventFd, "eventfd", IsEventFd, CaptureEventFd,
                                     OpenEventFd};
constinit const FdKind kTimerFdFd = {FileKind::kTimerFd, "timerfd", IsTimerFd, CaptureTimerFd,
                                     OpenTimerFd};
constinit const FdKind kSignalFdFd = {FileKind::kSignalFd, "signalfd", IsSignalFd, CaptureSignalFd,
                                      OpenSignalFd};

}  // namespace retake
