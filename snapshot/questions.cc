#include "snapshot/questions.h"

#include <linux/prctl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>

#include <algorithm>
#include <cstring>

#include "base/clock.h"
#include "base/kernel_constants.h"
#include "snapshot/task_attributes.h"

namespace retake {
namespace {

constexpr int kSignals = 64;

// <linux/prctl.h>; headers of Debian 12 lack it.
constexpr uint64_t kGetMemoryMerge = 68;
// In the kernel's half, and no tagged address of the other one.
constexpr uint64_t kNowhere = ~uint64_t{0} - (2 << 20) + 1;

// <linux/membarrier.h>, Linux 6.3: MEMBARRIER_CMD_GET_REGISTRATIONS.
constexpr uint64_t kGetRegistrations = 1 << 9;

}  // namespace

// --- Of a task ---

TaskQuestions::TaskQuestions(Injection& injection) {
  stack_ = injection.Room(sizeof(stack_t));
  stack_call_ = injection.Add(MakeCall(Sys::sigaltstack, 0, stack_));
  clear_ = injection.Room(sizeof(uint64_t));
  clear_call_ = injection.Add(MakeCall(Sys::prctl, PR_GET_TID_ADDRESS, clear_));
  death_ = injection.Room(sizeof(int32_t));
  death_call_ = injection.Add(MakeCall(Sys::prctl, PR_GET_PDEATHSIG, death_));
  policy_ = injection.Room(sizeof(int32_t));
  nodes_ = injection.Room(kMaxNodes / 8);
  policy_call_ = injection.Add(MakeCall(Sys::get_mempolicy, policy_, nodes_, kMaxNodes));
  securebits_call_ = injection.Add(MakeCall(Sys::prctl, PR_GET_SECUREBITS));
  for (const TaskAttribute& attribute : AllTaskAttributes()) {
    BatchCall call = MakeCall(attribute.get);
    std::ranges::copy(attribute.get_arguments, call.args);
    uint64_t room = 0;
    if (attribute.by_pointer >= 0) {
      room = injection.Room(sizeof(int32_t));
      call.args[attribute.by_pointer] = room;
    }
    attributes_.push_back({injection.Add(call), room});
  }
}

Status TaskQuestions::Answer(const Injection& injection, TaskState& out, Losses& losses) const {
  if (injection.result(stack_call_) != 0)
    return Error(0, "it can't say where its alternate signal stack is", out.tid);
  auto stack = injection.At<stack_t>(stack_);
  out.alternate_stack = {reinterpret_cast<uint64_t>(stack.ss_sp), stack.ss_flags, stack.ss_size};
  if (uint64_t result = injection.result(clear_call_); result != 0) {
    return Error(static_cast<int>(-result),
                 "it can't say which word is cleared at its end (a kernel without "
                 "CONFIG_CHECKPOINT_RESTORE)",
                 out.tid);
  }
  out.clear_tid = injection.At<uint64_t>(clear_);
  if (injection.result(death_call_) != 0)
    return Error(0, "it can't say what signal its parent's end sends it", out.tid);
  out.parent_death_signal = injection.At<int32_t>(death_);
  // A kernel without NUMA has no policies.
  if (injection.result(policy_call_) == 0) {
    out.memory_policy = static_cast<uint32_t>(injection.At<int32_t>(policy_));
    ByteSpan nodes = injection.BytesAt(nodes_, kMaxNodes / 8);
    if (out.memory_policy != 0) out.memory_nodes.assign(nodes.begin(), nodes.end());
  }
  out.credentials.securebits = static_cast<uint32_t>(injection.result(securebits_call_));
  AnswerAttributes(injection, out, losses);
  return {};
}

void TaskQuestions::AnswerAttributes(const Injection& injection, TaskState& out,
                                     Losses& losses) const {
  for (size_t i = 0; i < attributes_.size(); ++i) {
    const TaskAttribute& attribute = AllTaskAttributes()[i];
    uint64_t result = injection.result(attributes_[i].call);
    if (CallFailed(result)) continue;
    uint64_t room = attributes_[i].room;
    int64_t answer = room == 0 ? static_cast<int64_t>(result) : injection.At<int32_t>(room);
    if (attribute.set != Sys::kNone) {
      out.attributes.push_back({attribute.name, answer});
    } else if (answer != 0) {
      losses.push_back({.pid = out.tid,
                        .kind = "attribute",
                        .what = fmt::format("it has {}, which isn't kept", attribute.name)});
    }
  }
}

// --- Of a process ---

ProcessQuestions::ProcessQuestions(Injection& injection, const ProcStatus& status,
                                   std::span<const PosixTimer> timers) {
  for (const PosixTimer& timer : timers) {
    uint64_t room = injection.Room(sizeof(itimerspec));
    size_t call =
        injection.Add(MakeCall(Sys::timer_gettime, static_cast<uint64_t>(timer.id), room));
    posix_timers_.push_back({timer, call, room});
  }
  uint64_t caught = status.Number("SigCgt", 16);
  uint64_t ignored = status.Number("SigIgn", 16);
  // Of SIGCHLD the flags count, whatever is done with it: SA_NOCLDWAIT.
  uint64_t asked = caught | ignored | uint64_t{1} << (SIGCHLD - 1);
  for (int signal = 1; signal <= kSignals; ++signal) {
    if ((asked >> (signal - 1) & 1) == 0) continue;
    uint64_t room = injection.Room(HostArch().abi.ksigaction_size);
    size_t call = injection.Add(
        MakeCall(Sys::rt_sigaction, static_cast<uint64_t>(signal), 0, room, kSignals / 8));
    actions_.push_back({signal, call, room});
  }
  for (int which : {ITIMER_REAL, ITIMER_VIRTUAL, ITIMER_PROF}) {
    uint64_t room = injection.Room(sizeof(itimerval));
    size_t call = injection.Add(MakeCall(Sys::getitimer, static_cast<uint64_t>(which), room));
    timers_.push_back({which, call, room});
  }
  brk_ = injection.Add(MakeCall(Sys::brk, 0));
  dumpable_ = injection.Add(MakeCall(Sys::prctl, PR_GET_DUMPABLE));
  subreaper_ = injection.Room(sizeof(int32_t));
  subreaper_call_ = injection.Add(MakeCall(Sys::prctl, PR_GET_CHILD_SUBREAPER, subreaper_));
  denied_ = injection.Add(MakeCall(Sys::prctl, PR_GET_MDWE));
  no_huge_ = injection.Add(MakeCall(Sys::prctl, PR_GET_THP_DISABLE));
  merges_ = injection.Add(MakeCall(Sys::prctl, kGetMemoryMerge));
  membarrier_ = injection.Add(MakeCall(Sys::membarrier, kGetRegistrations));
  // Where nothing can be mapped, the kernel looks at the key first: ENOMEM if there is such a one,
  // else EINVAL (mm/mprotect.c, do_mprotect_pkey).
  for (uint64_t key = 1; key < kProtectionKeys; ++key) {
    keys_.push_back(injection.Add(MakeCall(Sys::pkey_mprotect, kNowhere, 1, PROT_NONE, key)));
  }
}

Status ProcessQuestions::Answer(const Injection& injection, ProcessState& out) const {
  for (const Action& asked : actions_) {
    if (uint64_t result = injection.result(asked.call); result != 0) {
      return Error(static_cast<int>(-result),
                   fmt::format("it can't say what it does on signal {}", asked.signal), out.pid);
    }
    ByteSpan bytes = injection.BytesAt(asked.room, HostArch().abi.ksigaction_size);
    if (!IsZero(bytes)) out.actions.push_back({asked.signal, {bytes.begin(), bytes.end()}});
  }
  for (const Timer& asked : timers_) {
    if (injection.result(asked.call) != 0)
      return Error(0, "it can't say when its timers expire", out.pid);
    auto value = injection.At<itimerval>(asked.room);
    if (value.it_value.tv_sec == 0 && value.it_value.tv_usec == 0) continue;
    auto nanoseconds = [](const timeval& time) {
      return time.tv_sec * 1'000'000'000 + time.tv_usec * 1'000;
    };
    out.timers.push_back({asked.which, nanoseconds(value.it_interval),
                          std::max(nanoseconds(value.it_value), int64_t{1})});
  }
  for (const AskedTimer& asked : posix_timers_) {
    if (injection.result(asked.call) != 0)
      return Error(0, fmt::format("it can't say when its timer {} expires", asked.timer.id),
                   out.pid);
    auto value = injection.At<itimerspec>(asked.room);
    out.posix_timers.push_back(asked.timer);
    out.posix_timers.back().interval = Nanoseconds(value.it_interval);
    out.posix_timers.back().remaining = Nanoseconds(value.it_value);
  }
  out.layout.brk = injection.result(brk_);
  out.dumpable = static_cast<uint32_t>(injection.result(dumpable_));
  if (injection.result(subreaper_call_) == 0)
    out.subreaper = injection.At<int32_t>(subreaper_) != 0;
  uint64_t denied = injection.result(denied_);
  if (!CallFailed(denied)) out.execution_denied = denied;
  out.no_huge_pages = injection.result(no_huge_) == 1;
  out.merges_memory = injection.result(merges_) == 1;
  uint64_t registrations = injection.result(membarrier_);
  if (!CallFailed(registrations)) out.membarrier = registrations;
  for (size_t i = 0; i < keys_.size(); ++i) {
    if (injection.result(keys_[i]) == static_cast<uint64_t>(-ENOMEM))
      out.protection_keys |= uint64_t{2} << i;
  }
  return {};
}

}  // namespace retake
