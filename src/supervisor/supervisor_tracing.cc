// A program that stops tasks of its own and looks at them, as LeakSanitizer does at a program's
// end: a helper that shares the program's memory attaches to each of its threads, reads their
// registers, and lets them go.
//
// The kernel would refuse that, since all are traced already. But tasks of a share-group run no
// user code while the helper does, so there is little to stop: it is enough that they get no turn
// until they are let go. Their registers are those that they have, or had when they made the call
// that they sleep in. (Of such a one the vector state isn't known, and reading it is refused.)
//
// All else that ptrace can do, and tracing of others, is refused.
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include <algorithm>
#include <cstring>

#include "supervisor/supervisor.h"

namespace retake {
namespace {

using Answer = Supervisor::TracingAnswer;

Answer Fail(int code) { return {.result = -code}; }

// Writes to the program's memory, once all of it is known.
Answer Give(const Task& task, std::vector<Answer::Write> writes) {
  for (const Answer::Write& write : writes) {
    if (!task.process->memory.WriteAsTask(write.address, write.bytes).ok()) return Fail(EFAULT);
  }
  return {.writes = std::move(writes)};
}

template <typename T>
std::vector<uint8_t> BytesOf(const T& value) {
  const auto* bytes = reinterpret_cast<const uint8_t*>(&value);
  return {bytes, bytes + sizeof value};
}

// Or in one that isn't made, and whose exit stop is still to come.
bool IsInCall(const Task& task) { return task.in_call() || task.phase == Task::Phase::kAnswered; }

// A regset of a suspended task, as many bytes as the kernel has.
Result<std::vector<uint8_t>> RegsetOf(const Task& task, uint32_t type) {
  const Regset& general = machine::Regsets().front();
  if (type != general.note_type) {
    if (IsInCall(task)) return Error(EIO, "its registers aren't known while it is in a call");
    return ptracer::GetRegset(task.pid, type, machine::MaxVectorBytes());
  }
  Registers registers = task.entry;
  if (!IsInCall(task)) TRY(ptracer::GetRegisters(task.pid, registers));
  std::vector<uint8_t> bytes(general.bytes);
  memcpy(bytes.data(), &registers.words[general.first_word], bytes.size());
  return bytes;
}

}  // namespace

std::optional<Answer> Supervisor::AnswerTracing(Task& task) {
  if (task.sys == Sys::wait4) return AnswerWait(task);
  if (task.sys != Sys::ptrace) return std::nullopt;
  auto arg = [&](int index) { return machine::Argument(task.entry, index); };
  uint64_t request = arg(0);
  uint64_t data = arg(3);
  Task* other = Find(static_cast<pid_t>(arg(1)));
  if (request == PTRACE_ATTACH) return Attach(task, other);
  if (other == nullptr || other->suspended_by != task.pid) return std::nullopt;

  // A signal that it is to go on with isn't to be had.
  if (request == PTRACE_DETACH && data == 0) {
    LetGoOf(*other);
    return Answer();
  }
  std::optional<uint32_t> own_request = machine::RegsetOfRequest(request);
  if (!own_request && request != PTRACE_GETREGSET) return std::nullopt;
  auto regset = RegsetOf(*other, own_request ? *own_request : static_cast<uint32_t>(arg(2)));
  if (!regset.ok()) return Fail(regset.error().code());
  if (regset->empty()) return Fail(EINVAL);
  if (own_request) return Give(task, {{data, regset.TakeValue()}});
  iovec room{};
  if (!task.process->memory.ReadValue(data, &room)) return Fail(EFAULT);
  regset->resize(std::min<size_t>(regset->size(), room.iov_len));
  room.iov_len = regset->size();
  return Give(task, {{reinterpret_cast<uint64_t>(room.iov_base), regset.TakeValue()},
                     {data, BytesOf(room)}});
}

std::optional<Answer> Supervisor::AnswerWait(const Task& task) {
  Task* other = Find(static_cast<pid_t>(machine::Argument(task.entry, 0)));
  if (other == nullptr || other->suspended_by != task.pid || other->suspension_told)
    return std::nullopt;
  std::vector<Answer::Write> writes;
  uint64_t status = machine::Argument(task.entry, 1);
  if (status != 0) writes.push_back({status, BytesOf(int{W_STOPCODE(SIGSTOP)})});
  uint64_t usage = machine::Argument(task.entry, 3);
  if (usage != 0) writes.push_back({usage, BytesOf(rusage{})});
  Answer answer = Give(task, std::move(writes));
  if (answer.result != 0) return answer;
  other->suspension_told = true;
  answer.result = other->pid;
  return answer;
}

std::optional<Answer> Supervisor::Attach(const Task& task, Task* other) {
  if (other == nullptr || other->group != task.group) return std::nullopt;
  // As the kernel has it.
  if (other->leader == task.leader || other->suspended_by != 0) return Fail(EPERM);
  if (other->phase == Task::Phase::kExiting || other->is_zombie) return Fail(EPERM);
  if (!task.group->stragglers.empty()) return Answer{.retry = true};
  other->suspended_by = task.pid;
  other->suspension_told = false;
  SetIdle(*other, false);
  if (std::erase(other->group->waiting, other) > 0) other->group->suspended.push_back(other);
  return Answer();
}

void Supervisor::LetGoOf(Task& suspended) {
  suspended.suspended_by = 0;
  ShareGroup& group = *suspended.group;
  if (std::erase(group.suspended, &suspended) == 0) return;
  group.waiting.push_back(&suspended);
  undispatched_.push_back(suspended.group);
}

void Supervisor::LetGoOfAll(const Task& tracer) {
  for (auto& [pid, task] : tasks_) {
    if (task->suspended_by == tracer.pid) LetGoOf(*task);
  }
}

}  // namespace retake
