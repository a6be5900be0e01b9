// The notify tier: a thread that answers the calls which the filter notifies (DESIGN 3).
//
// It blocks in the channel, asks the handler, checks that the call still waits, writes what the
// answer writes, answers. It never calls ptrace, whose requests belong to the tracer's thread. A
// call that no handler wants gets ENOSYS, and so does every call once the thread has ended, from
// the kernel: the real call is never let through instead.
#ifndef RETAKE_SUPERVISOR_NOTIFY_H_
#define RETAKE_SUPERVISOR_NOTIFY_H_

#include <array>
#include <atomic>
#include <memory>
#include <span>
#include <thread>

#include "arch/arch.h"
#include "supervisor/call_handler.h"
#include "supervisor/notify_channel.h"

namespace retake {

struct NotifyCounts {
  uint64_t answered = 0;   // by a handler
  uint64_t refused = 0;    // with ENOSYS: no handler, or another architecture's
  uint64_t withdrawn = 0;  // before the answer was in
};

// What is done with each notification. Knows no thread and no descriptor.
class NotifyDispatcher {
 public:
  // The handlers outlive the dispatcher. For a call that several handle, the first answers.
  NotifyDispatcher(NotifyChannel& channel, const ArchDescription& arch,
                   std::span<CallHandler* const> handlers);

  // Takes the next call and answers it. False when there will be no more. An Error is the
  // channel's: nobody can be answered any more.
  Result<bool> Step();

  NotifyCounts counts() const;

 private:
  Status AnswerCall(const seccomp_notif& notification);
  CallHandler* HandlerOf(Sys sys) const {
    return sys == Sys::kNone ? nullptr : handlers_[static_cast<size_t>(sys)];
  }

  NotifyChannel& channel_;
  const ArchDescription& arch_;
  std::array<CallHandler*, kSysCount> handlers_{};
  std::atomic<uint64_t> answered_ = 0;
  std::atomic<uint64_t> refused_ = 0;
  std::atomic<uint64_t> withdrawn_ = 0;
};

// The thread. Ends by itself when the last task with the filter is gone.
class NotifyListener {
 public:
  // Takes the listener that InstallFilter gave. The handlers outlive the NotifyListener; they are
  // called on its thread.
  static Result<std::unique_ptr<NotifyListener>> Start(Fd listener, const ArchDescription& arch,
                                                       std::span<CallHandler* const> handlers);
  // Stops the thread and waits for it: as long as a handler takes for one call. Calls that wait get
  // ENOSYS.
  ~NotifyListener();

  NotifyListener(const NotifyListener&) = delete;
  NotifyListener& operator=(const NotifyListener&) = delete;

  // True once the thread has ended.
  bool done() const { return done_.load(); }
  // Why it ended; ok while it runs and after a hang-up. Call it only when done.
  const Status& status() const { return status_; }
  NotifyCounts counts() const { return dispatcher_.counts(); }

 private:
  NotifyListener(std::unique_ptr<NotifyChannel> channel, const ArchDescription& arch,
                 std::span<CallHandler* const> handlers);
  void Run();

  std::unique_ptr<NotifyChannel> channel_;
  NotifyDispatcher dispatcher_;
  Status status_;
  std::atomic<bool> done_ = false;
  std::thread thread_;
};

}  // namespace retake

#endif  // RETAKE_SUPERVISOR_NOTIFY_H_
