// Answers notified calls. The order of checks is the heart of it (seccomp_unotify(2), "Design
// goals; use of SECCOMP_USER_NOTIF_FLAG_CONTINUE" and its caveats): a call may be withdrawn at any
// point, its thread may be gone, and its number be another's; so what was read counts only if the
// call still waits afterwards, and effects are applied only once the answer was taken.
#include "supervisor/notify.h"

#include <signal.h>

#include <algorithm>
#include <system_error>

namespace retake {
namespace {

bool WriteAll(WritableMemory& memory, const std::vector<Answer::Write>& writes) {
  return std::ranges::all_of(writes, [&memory](const Answer::Write& write) {
    return memory.Write(write.address, write.bytes);
  });
}

Result<NotifyChannel::Sent> SendOutcome(NotifyChannel& channel, uint64_t id,
                                        const CallOutcome& outcome) {
  if (const auto* value = std::get_if<ReturnValue>(&outcome)) return channel.Send(id, value->value);
  if (const auto* error = std::get_if<ReturnErrno>(&outcome)) return channel.Send(id, -error->code);
  const auto& inject = std::get<InjectFd>(outcome);
  auto sent = channel.SendFd(id, inject.fd.get(), inject.close_on_exec);
  // The program's own trouble (no number left, a limit) is the program's error.
  if (!sent.ok() && sent.error().code() > 0) return channel.Send(id, -sent.error().code());
  return sent;
}

}  // namespace

NotifyDispatcher::NotifyDispatcher(NotifyChannel& channel, const ArchDescription& arch,
                                   std::span<CallHandler* const> handlers)
    : channel_(channel), arch_(arch) {
  for (int i = 0; i < kSysCount; ++i) {
    const auto handler = std::ranges::find_if(
        handlers, [i](const CallHandler* each) { return each->Handles(static_cast<Sys>(i)); });
    if (handler != handlers.end()) handlers_[i] = *handler;
  }
}

Result<bool> NotifyDispatcher::Step() {
  seccomp_notif notification{};
  switch (TRY(channel_.Receive(notification))) {
    case NotifyChannel::Received::kCall:
      TRY(AnswerCall(notification));
      return true;
    case NotifyChannel::Received::kWithdrawn:
      ++withdrawn_;
      return true;
    case NotifyChannel::Received::kHangup:
    case NotifyChannel::Received::kStopped:
      return false;
  }
  return false;
}

Status NotifyDispatcher::AnswerCall(const seccomp_notif& notification) {
  NotifyCall call;
  call.id = notification.id;
  call.tid = static_cast<pid_t>(notification.pid);
  call.number = notification.data.nr;
  call.pc = notification.data.instruction_pointer;
  std::copy_n(notification.data.args, call.args.size(), call.args.begin());
  // A number means nothing without its architecture.
  if (notification.data.arch == arch_.audit_arch) call.sys = arch_.SysOf(call.number);

  CallHandler* handler = HandlerOf(call.sys);
  if (handler == nullptr) {
    const auto sent = TRY(channel_.Send(call.id, -ENOSYS));
    ++(sent == NotifyChannel::Sent::kDone ? refused_ : withdrawn_);
    return {};
  }

  const std::unique_ptr<WritableMemory> memory = channel_.MemoryOf(call.tid);
  call.memory = memory.get();
  Answer answer = handler->Handle(call);
  // Until here the call may have been withdrawn and its thread id be another's: then what the
  // handler read was not this call's, and nothing may be written.
  if (!channel_.StillWaiting(call.id)) {
    ++withdrawn_;
    return {};
  }
  if (!WriteAll(*memory, answer.writes)) answer.outcome = ReturnErrno{EFAULT};
  if (TRY(SendOutcome(channel_, call.id, answer.outcome)) == NotifyChannel::Sent::kWithdrawn) {
    ++withdrawn_;
    return {};
  }
  ++answered_;
  handler->Answered(call);
  return {};
}

NotifyCounts NotifyDispatcher::counts() const { return {answered_, refused_, withdrawn_}; }

Result<std::unique_ptr<NotifyListener>> NotifyListener::Start(
    Fd listener, const ArchDescription& arch, std::span<CallHandler* const> handlers) {
  auto channel = TRY(OpenNotifyChannel(std::move(listener)));
  std::unique_ptr<NotifyListener> self(new NotifyListener(std::move(channel), arch, handlers));
  // Signals are for the supervisor's own thread: the new one inherits a full mask.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  Status started;
  try {
    self->thread_ = std::thread([raw = self.get()] { raw->Run(); });
  } catch (const std::system_error& error) {
    started = Error(error.code().value(), "starting the thread that answers notified calls");
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  TRY(std::move(started));
  return self;
}

NotifyListener::NotifyListener(std::unique_ptr<NotifyChannel> channel, const ArchDescription& arch,
                               std::span<CallHandler* const> handlers)
    : channel_(std::move(channel)), dispatcher_(*channel_, arch, handlers) {}

NotifyListener::~NotifyListener() {
  channel_->Stop();
  if (thread_.joinable()) thread_.join();
}

void NotifyListener::Run() {
  for (;;) {
    auto more = dispatcher_.Step();
    if (!more.ok()) status_ = more.TakeError();
    if (!more.ok() || !*more) break;
  }
  channel_->Close();
  done_ = true;
}

}  // namespace retake
