// The kernel's side of the notify tier.
//
// Receive() polls before it asks: NOTIF_RECV itself doesn't end when the last task with the filter
// is gone (it does on newer kernels), and can't be told to stop. A call that was withdrawn between
// the two makes it fail with ENOENT. The hang-up comes with the death of the last task, on older
// kernels (6.1 for one) only once that was reaped: an owner that knows of its end earlier calls
// Stop().
#include "supervisor/notify_channel.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "base/features.h"

// Newer than some headers. Source: include/uapi/linux/seccomp.h.
#ifndef SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP
#define SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP (1UL << 0)
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS SECCOMP_IOW(4, __u64)
#endif

namespace retake {
namespace {

class KernelChannel : public NotifyChannel {
 public:
  KernelChannel(Fd listener, Fd stop, const seccomp_notif_sizes& sizes)
      : listener_(std::move(listener)),
        stop_(std::move(stop)),
        call_(std::max<size_t>(sizes.seccomp_notif, sizeof(seccomp_notif))),
        response_(std::max<size_t>(sizes.seccomp_notif_resp, sizeof(seccomp_notif_resp))) {}

  Result<Received> Receive(seccomp_notif& call) override {
    pollfd fds[] = {{listener_.get(), POLLIN, 0}, {stop_.get(), POLLIN, 0}};
    while (poll(fds, 2, -1) < 0) {
      if (errno != EINTR) return ErrnoError("waiting for a notified call");
    }
    if (fds[1].revents != 0) return Received::kStopped;
    if ((fds[0].revents & POLLIN) == 0) return Received::kHangup;
    std::ranges::fill(call_, 0);  // the kernel refuses anything else
    if (ioctl(listener_.get(), SECCOMP_IOCTL_NOTIF_RECV, call_.data()) != 0) {
      if (errno == ENOENT || errno == EINTR) return Received::kWithdrawn;
      return ErrnoError("receiving a notified call");
    }
    memcpy(&call, call_.data(), sizeof call);
    return Received::kCall;
  }

  bool StillWaiting(uint64_t id) override {
    return ioctl(listener_.get(), SECCOMP_IOCTL_NOTIF_ID_VALID, &id) == 0;
  }

  Result<Sent> Send(uint64_t id, int64_t result) override {
    seccomp_notif_resp response{};
    response.id = id;
    // The kernel returns `error` if it isn't zero, else `val`: a negative value may stand in
    // either.
    response.val = result;
    std::ranges::fill(response_, 0);
    memcpy(response_.data(), &response, sizeof response);
    return Outcome(ioctl(listener_.get(), SECCOMP_IOCTL_NOTIF_SEND, response_.data()),
                   "answering a notified call");
  }

  Result<Sent> SendFd(uint64_t id, int fd, bool close_on_exec) override {
    seccomp_notif_addfd request{};
    request.id = id;
    request.flags = SECCOMP_ADDFD_FLAG_SEND;  // 5.14: the descriptor and the answer at once
    request.srcfd = static_cast<uint32_t>(fd);
    request.newfd_flags = close_on_exec ? O_CLOEXEC : 0;
    return Outcome(ioctl(listener_.get(), SECCOMP_IOCTL_NOTIF_ADDFD, &request),
                   "giving the program a descriptor");
  }

  std::unique_ptr<WritableMemory> MemoryOf(pid_t tid) override {
    return std::make_unique<ThreadMemory>(tid);
  }

  void Stop() override { eventfd_write(stop_.get(), 1); }

  void Close() override { listener_.Reset(); }

 private:
  static Result<Sent> Outcome(int result, const char* what) {
    if (result >= 0) return Sent::kDone;
    // EINPROGRESS is what ADDFD gives for an id whose call has been answered.
    if (errno == ENOENT || errno == EINPROGRESS) return Sent::kWithdrawn;
    return ErrnoError("{}", what);
  }

  Fd listener_;
  Fd stop_;
  // As large as this kernel has them.
  std::vector<uint8_t> call_;
  std::vector<uint8_t> response_;
};

}  // namespace

Result<std::unique_ptr<NotifyChannel>> OpenNotifyChannel(Fd listener) {
  seccomp_notif_sizes sizes{};
  if (syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, &sizes) != 0) {
    return ErrnoError("asking for the sizes of seccomp notifications");
  }
  Fd stop(eventfd(0, EFD_CLOEXEC));
  if (!stop) return ErrnoError("making an eventfd");
  if (MayUse(Feature::kNotifySync)) {
    // The listener runs on the program's CPU: switch straight over instead of waking another.
    // Refused before 6.6, which costs time only.
    ioctl(listener.get(), SECCOMP_IOCTL_NOTIF_SET_FLAGS, SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP);
  }
  return std::unique_ptr<NotifyChannel>(
      std::make_unique<KernelChannel>(std::move(listener), std::move(stop), sizes));
}

}  // namespace retake
