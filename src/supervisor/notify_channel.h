// NotifyChannel: the notification listener's descriptor, as the one place that speaks its ioctls
// (seccomp_unotify(2)). An interface, so that the rules of answering (notify.h) are tested without
// a kernel.
#ifndef RETAKE_SUPERVISOR_NOTIFY_CHANNEL_H_
#define RETAKE_SUPERVISOR_NOTIFY_CHANNEL_H_

#include <linux/seccomp.h>

#include <cstdint>
#include <memory>

#include "base/fd.h"
#include "base/result.h"
#include "supervisor/notify_memory.h"

namespace retake {

class NotifyChannel {
 public:
  virtual ~NotifyChannel() = default;

  enum class Received : uint8_t {
    kCall,       // `call` holds one
    kWithdrawn,  // one came and went: try again
    kHangup,     // nobody is left who could make a call
    kStopped,    // Stop() was called
  };
  // Waits for the next call.
  virtual Result<Received> Receive(seccomp_notif& call) = 0;

  // True while the call waits for its answer: its thread is what it was, and so is its memory.
  virtual bool StillWaiting(uint64_t id) = 0;

  enum class Sent : uint8_t {
    kDone,
    kWithdrawn,  // the call waits no more; it may come again under another id
  };
  // `result` is what the program gets: a value, or -errno.
  virtual Result<Sent> Send(uint64_t id, int64_t result) = 0;
  // Gives the program a copy of `fd`, whose number there is the answer. An Error leaves the call
  // unanswered; its code is why (EMFILE: the program has no number left).
  virtual Result<Sent> SendFd(uint64_t id, int fd, bool close_on_exec) = 0;

  virtual std::unique_ptr<WritableMemory> MemoryOf(pid_t tid) = 0;

  // Makes Receive() return kStopped, now or when it is called next. From any thread.
  virtual void Stop() = 0;

  // Gives the listener up: the kernel answers ENOSYS to the calls that wait and to all that come.
  // Only Stop() may follow.
  virtual void Close() = 0;
};

// The channel of a listener that InstallFilter gave.
Result<std::unique_ptr<NotifyChannel>> OpenNotifyChannel(Fd listener);

}  // namespace retake

#endif  // RETAKE_SUPERVISOR_NOTIFY_CHANNEL_H_
