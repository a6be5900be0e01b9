// CallHandler: who answers the calls that the filter sends to the notification listener (DESIGN 3,
// the notify tier).
//
// A handler says what a call gives; the listener carries it out. The two are apart because a
// notification can be withdrawn at any moment before its answer is in (seccomp_unotify(2): a
// signal, without WAIT_KILLABLE_RECV; SIGKILL always), and then the same call comes again under
// another id. So Handle() changes nothing, and Answered() is told once the program has its answer.
#ifndef RETAKE_SUPERVISOR_CALL_HANDLER_H_
#define RETAKE_SUPERVISOR_CALL_HANDLER_H_

#include <sys/types.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "arch/sys.h"
#include "base/fd.h"
#include "base/readable_memory.h"

namespace retake {

// A call that waits for its answer. Valid during Handle() and Answered() only.
struct NotifyCall {
  uint64_t id = 0;  // the kernel's name of this notification
  pid_t tid = 0;    // the calling thread, as seen from the listener's pid namespace
  Sys sys = Sys::kNone;
  int64_t number = 0;  // as the program's architecture has it
  uint64_t pc = 0;     // behind the syscall instruction
  std::array<uint64_t, 6> args{};
  // The program's memory. What is read there is checked to have been this program's before the
  // answer is used.
  const ReadableMemory* memory = nullptr;
};

struct ReturnValue {
  int64_t value;
};

// The call fails with this errno (positive).
struct ReturnErrno {
  int code;
};

// The program gets a copy of the descriptor, and its number there as the result.
struct InjectFd {
  Fd fd;
  bool close_on_exec;
};

using CallOutcome = std::variant<ReturnValue, ReturnErrno, InjectFd>;

struct Answer {
  // Written, in this order, before the outcome is sent. If a write fails, the
  // outcome becomes EFAULT, as the kernel's would.
  struct Write {
    uint64_t address;
    std::vector<uint8_t> bytes;
  };

  CallOutcome outcome = ReturnErrno{ENOSYS};  // a handler that says nothing refuses
  std::vector<Write> writes;

  static Answer Value(int64_t value) { return {ReturnValue{value}, {}}; }
  static Answer Errno(int code) { return {ReturnErrno{code}, {}}; }
  static Answer Descriptor(Fd fd, bool close_on_exec) {
    return {InjectFd{std::move(fd), close_on_exec}, {}};
  }

  template <typename T>
  void WriteValue(uint64_t address, const T& value) {
    static_assert(std::is_trivially_copyable_v<T>);
    const auto* bytes = reinterpret_cast<const uint8_t*>(&value);
    writes.push_back({address, {bytes, bytes + sizeof value}});
  }
};

// Called on the listener's thread only, one call at a time. Must not block: every other notified
// call waits meanwhile.
class CallHandler {
 public:
  virtual ~CallHandler() = default;

  // Asked once per Sys, when the listener starts.
  virtual bool Handles(Sys sys) const = 0;
  // What the call gives. No lasting effects, in the handler or elsewhere.
  virtual Answer Handle(const NotifyCall& call) = 0;
  // The answer has reached the program: apply its effects. Not called for a call that was
  // withdrawn.
  virtual void Answered(const NotifyCall& call) = 0;
};

}  // namespace retake

#endif  // RETAKE_SUPERVISOR_CALL_HANDLER_H_
