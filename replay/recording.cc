// The recorder's answers to the supervisor: calls, tasks, signals. Effects on memory mappings are
// in recording_memory.cc.
#include "replay/recording.h"

#include <fcntl.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "base/clock.h"
#include "base/fd.h"
#include "base/kernel_constants.h"
#include "stub/layout.h"
#include "supervisor/exec_setup.h"
#include "supervisor/filter.h"
#include "supervisor/own_traps.h"
#include "syscalls/row.h"
#include "tracee/remote_calls.h"

namespace retake {
namespace {

constexpr int64_t kHashPeriod = 100'000'000;  // ns: between hashes of memory, at least

// Whether any argument of a prctl from the nth on isn't zero.
bool HasMoreArguments(const Task& task, int from) {
  for (int i = from; i < 5; ++i) {
    if (machine::Argument(task.entry, i) != 0) return true;
  }
  return false;
}

}  // namespace

Recording::Recording(RecordingOptions options, TraceWriter& trace)
    : options_(std::move(options)),
      trace_(trace),
      may_withhold_(prctl(PR_GET_MDWE, 0, 0, 0, 0) <= 0),
      next_hash_(MonotonicNanoseconds() + kHashPeriod) {
  planter_.set_notes(options_.notes);
}

Recording::TaskState& Recording::State(const Task& task) {
  if (task.id >= tasks_.size()) tasks_.resize(task.id + 1);
  TaskState& state = tasks_[task.id];
  if (state.process == nullptr) state.process = std::make_shared<ProcessState>();
  if (state.fds == nullptr) state.fds = std::make_shared<FdTable>();
  return state;
}

Call Recording::CallOf(const Task& task, int64_t result) const {
  Call call;
  call.arch = &HostArch();
  call.sys = task.sys;
  call.number = static_cast<int64_t>(machine::SyscallNumber(task.entry));
  for (int i = 0; i < 6; ++i) call.args[static_cast<size_t>(i)] = machine::Argument(task.entry, i);
  call.result = result;
  call.memory = &task.process->memory;
  return call;
}

Call Recording::MadeCallOf(const Task& task, int64_t result) const {
  Call call = CallOf(task, result);
  for (int i = 0; i < 6; ++i) call.args[static_cast<size_t>(i)] = machine::Argument(task.made, i);
  return call;
}

void Recording::LogEntry(Task& task) {
  Begin(task, EventKind::kEntered);
  event_.before = event_.after = task.entry;
  State(task).entered = true;
}

void Recording::Begin(Task& task, EventKind kind) {
  event_.Clear();
  event_.kind = kind;
  event_.task = task.id;
}

void Recording::AddHash(const Task& task) {
  TaskEffect effect = TaskEffectOf(RowOf(task.sys));
  bool exits = event_.kind == EventKind::kEntered &&
               (effect == TaskEffect::kExits || effect == TaskEffect::kExitsGroup);
  if (options_.check_interval > 0) {
    if (events_ % static_cast<uint64_t>(options_.check_interval) != 0 && !exits) return;
  } else if (!exits && MonotonicCoarseNanoseconds() < next_hash_) {
    return;
  }
  int64_t begin = MonotonicNanoseconds();
  // A process that is just being killed has no memory to hash.
  if (auto hash = HashWritableMemory(task.pid, task.process->memory); hash.ok())
    event_.memory_hash = *hash;
  int64_t end = MonotonicNanoseconds();
  next_hash_ = end + std::max<int64_t>(kHashPeriod, (end - begin) * 50);
}

Status Recording::CheckHealth() {
  // A full disk is noticed by the thread that writes: soon enough if asked now and then.
  return events_ % 64 == 0 ? trace_.health() : Status();
}

void Recording::Write(Task& task) {
  ++events_;
  if (event_.kind != EventKind::kExec) AddHash(task);
  trace_.Append(event_);
}

void Recording::Count(const std::string& what) { ++trace_.manifest().unknown_calls[what]; }

void Recording::Warn(std::string text) {
  if (warned_.insert(text).second) warnings_.push_back(std::move(text));
}

Result<uint32_t> Recording::KeepFile(int fd, const struct stat& status, const std::string& path) {
  FileId id{status.st_dev, status.st_ino};
  mapped_files_.insert(id);
  return trace_.AddFile(fd, status, path, !written_files_.contains(id));
}

// --- Exec ----------------------------------------------------------------------------------------

Status Recording::OnExec(Task& task, const Registers& registers,
                         const std::vector<Mapping>& mappings) {
  TaskState& state = State(task);
  state.task = &task;
  if (state.process != nullptr) WriteLastWordsElsewhere(state);
  state.process = std::make_shared<ProcessState>();
  state.fds = std::make_shared<FdTable>();
  state.borrows_memory = false;
  state.clear_tid = state.robust_list = 0;
  state.redirection.reset();
  state.park.reset();
  state.has_our_time.reset();
  state.cpuid_trapped = options_.portable || !CpuidIsSteady();

  Image image = TRY(CaptureAfterExec(task.pid, task.process->memory, registers, mappings, *this));
  for (const ImageMapping& mapping : image.mappings) {
    if (mapping.kind != ImageMapping::Kind::kBlob) continue;
    auto of = std::find_if(mappings.begin(), mappings.end(),
                           [&](const Mapping& m) { return m.start == mapping.address; });
    if (of == mappings.end()) continue;
    state.process->maps.Map({mapping.address,
                             mapping.size,
                             mapping.offset,
                             {of->device, of->inode},
                             false,
                             false,
                             mapping.object});
  }
  Begin(task, EventKind::kExec);
  event_.pid = task.pid;
  event_.after = image.registers;
  event_.image = TRY(trace_.AddImage(image));
  if (options_.portable) AddCpuidTrap();
  TRY(PlantTrapsIn(task, {0, UINT64_MAX}, mappings, KindsToPlant(task)));
  Write(task);
  return {};
}

// --- Calls ---------------------------------------------------------------------------------------

Result<CallVerdict> Recording::Answer(Task& task, int64_t result) {
  Begin(task, EventKind::kSyscall);
  event_.before = task.entry;
  event_.after = task.entry;
  machine::FinishCall(event_.after, result);
  (void)TRY(AddMemory(task, RowOf(task.sys), result));
  Write(task);
  return CallVerdict{CallVerdict::Kind::kAnswer, result};
}

CallVerdict Recording::AnswerWritten(Task& task, int64_t result,
                                     std::span<const TaskMemory::Output> writes) {
  Begin(task, EventKind::kSyscall);
  event_.before = event_.after = task.entry;
  machine::FinishCall(event_.after, result);
  for (const TaskMemory::Output& write : writes)
    std::ranges::copy(write.bytes, event_.AddWrite(write.address, write.bytes.size()).begin());
  Write(task);
  return CallVerdict{CallVerdict::Kind::kAnswer, result};
}

Result<CallVerdict> Recording::OnCallEntry(Task& task, uint16_t filter_data) {
  TRY(CheckHealth());
  TaskState& state = State(task);
  state.entered = false;
  bool is_foreign = filter_data == kForeignArchCall || filter_data == kForeignAbiCall;
  if (!is_foreign) {
    if (auto verdict = TRY(JudgeByOwnFilters(task))) return *verdict;
  }
  switch (filter_data) {
    case kUnknownCall: {
      Count(fmt::format("syscall {}", static_cast<int64_t>(machine::SyscallNumber(task.entry))));
      Begin(task, EventKind::kSyscall);
      event_.before = event_.after = task.entry;
      machine::FinishCall(event_.after, -ENOSYS);
      Write(task);
      return CallVerdict{CallVerdict::Kind::kAnswer, -ENOSYS};
    }
    case kForeignArchCall:
    case kForeignAbiCall:
      return Error(
          0,
          fmt::format(
              "the program made a syscall of another architecture (number {}); only {} ones can be "
              "recorded",
              machine::SyscallNumber(task.entry), HostArch().name),
          task.pid);
    default:
      break;
  }
  const Row& row = RowOf(task.sys);
  if (machine::IsLegacyPageCall(task.entry)) return AnswerLegacyPage(task);
  if (auto answer = supervisor_->AnswerTracing(task)) {
    if (answer->retry) return CallVerdict{CallVerdict::Kind::kRetry};
    std::vector<TaskMemory::Output> writes;
    for (const auto& [address, bytes] : answer->writes) writes.push_back({address, bytes});
    return AnswerWritten(task, answer->result, writes);
  }
  if (filter_data == kDeniedCall) {
    Count(std::string(SysName(task.sys)));
    if (task.sys == Sys::ptrace) {
      Warn(
          "the program wants to trace a process (ptrace), and got EPERM: retake traces it already");
    }
    return Answer(task, -DenyErrno(row));
  }
  if (auto answer = TRY(AnswerBySelf(task, row))) return Answer(task, *answer);
  if (auto verdict = AnswerTime(task)) return *verdict;
  if (TRY(ShareBeforeCall(task, row))) return CallVerdict{CallVerdict::Kind::kRetry};
  if (WriteSourceOf(row) != WriteSource::kNone) {
    if (auto answer = TRY(PrepareWrite(task, row))) return Answer(task, *answer);
    if (state.writes_echo) {
      // One at a time, so that the order of events is the order in which the output appeared.
      if (echo_writer_ && *echo_writer_ != task.id) return CallVerdict{CallVerdict::Kind::kHold};
      echo_writer_ = task.id;
    }
  }
  // The robust futexes that it holds are marked when its memory is left.
  if (MapEffectOf(row) == MapEffect::kExec && task.group->members > 1) NoteLastWords(task);
  TaskEffect effect = TaskEffectOf(row);
  if (effect == TaskEffect::kExits || effect == TaskEffect::kExitsGroup) {
    LogEntry(task);
    Write(task);
    return CallVerdict{CallVerdict::Kind::kFinal};
  }
  if (MapEffectOf(row) == MapEffect::kExec) {
    // Logged at its entry: a vfork child's code up to here runs in its parent's memory, and the
    // kernel lets the parent go on before the exec is seen to have succeeded. What was asked is
    // kept here too, since after it the memory is gone.
    LogEntry(task);
    std::vector<Range> previews;
    InputPreviews(row, CallOf(task, 0), previews);
    ReadInto(task, {}, previews);
    Write(task);
  }
  if (state.borrows_memory && MapEffectOf(row) != MapEffect::kExec) {
    // Its code up to here has run in its parent's memory, and it may be killed in this call.
    LogEntry(task);
    Write(task);
  }
  if (MapEffectOf(row) == MapEffect::kBrk && state.process->brk == 0 &&
      machine::Argument(task.entry, 0) != 0) {
    TRY(LearnBrk(task));
  }
  if (OutputsUnknown(row, CallOf(task, 0))) {
    Count(fmt::format("{} {:#x}", SysName(task.sys), machine::Argument(task.entry, 1)));
    state.copies = TRY(PageCopies::Take(task.pid, task.process->memory));
  }
  WithholdExecution(task, MapEffectOf(row));
  CallVerdict verdict;
  if (!task.group->crowd() || !MayBlockNow(task, row)) return verdict;
  verdict.may_block = true;
  verdict.settles = WritesFutexWord(CallOf(task, 0));
  if (verdict.settles) return verdict;
  Scratch& scratch = state.process->scratch;
  if (!scratch.mapped) {
    TRY(MapScratch(task));
    return CallVerdict{CallVerdict::Kind::kRepeat};
  }
  state.redirection =
      Redirection::Make(row, CallOf(task, 0), task.process->memory, scratch, task.made);
  return verdict;
}

Status Recording::MapScratch(Task& task) {
  SignalsHeld guard = TRY(SignalsHeld::Hold(task.pid));
  RemoteCalls calls(task.pid, task.process->memory, task.entry);
  uint64_t got = TRY(calls.Call(
      MakeCall(Sys::mmap, kScratchAddress, kScratchSize, PROT_READ | PROT_WRITE,
               MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, ~uint64_t{0})));
  if (got != kScratchAddress) {
    return Error(CallFailed(got) ? static_cast<int>(-got) : EEXIST,
                 fmt::format("can't map {} MiB at {:#x} for the buffers of calls that wait",
                             kScratchSize >> 20, kScratchAddress),
                 task.pid);
  }
  State(task).process->scratch.mapped = true;
  return {};
}

bool Recording::IsInCallThatBlocks(Task& task) { return MayBlockNow(task, RowOf(task.sys)); }

bool Recording::MayBlockNow(Task& task, const Row& row) {
  if (!MayBlock(row, CallOf(task, 0))) return false;
  // What a vfork waits for begins with an event of its own; an exec ends all that could wait.
  if (TaskEffectOf(row) == TaskEffect::kCreates || MapEffectOf(row) == MapEffect::kExec)
    return false;
  // Of the descriptors that are read or written, regular files don't make anyone wait. (A message
  // queue's is one by its mode, and does.)
  bool of_queue = task.sys == Sys::mq_timedreceive || task.sys == Sys::mq_timedsend;
  bool by_fd = row.arg_count > 0 && row.args[0].type == Type::kFd;
  if (!by_fd || of_queue || row.sub != nullptr || task.sys == Sys::flock) return true;
  // Each of them: splice moves from a file into a pipe too.
  for (int i = 0; i < row.arg_count; ++i) {
    if (row.args[static_cast<size_t>(i)].type != Type::kFd) continue;
    int fd = static_cast<int>(machine::Argument(task.entry, i));
    if (!State(task).fds->Look(task.pid, fd, options_.echo).regular) return true;
  }
  return false;
}

Result<std::optional<int64_t>> Recording::AnswerBySelf(Task& task, const Row& row) {
  auto arg = [&](int index) { return machine::Argument(task.entry, index); };
  using Answered = std::optional<int64_t>;
  switch (MapEffectOf(row)) {
    case MapEffect::kMap:
      if ((arg(3) & MAP_FIXED) != 0 && TouchesStub(arg(0), arg(1))) {
        Warn(fmt::format(
            "the program wants memory at {:#x}, where retake's stub page is; it got ENOMEM",
            arg(0)));
        return Answered(-ENOMEM);
      }
      break;
    case MapEffect::kUnmap:
    case MapEffect::kProtect:
    case MapEffect::kRemap:
      if (TouchesStub(arg(0), arg(1))) {
        Warn(fmt::format("the program's {} touches retake's stub page at {:#x}; it got ENOMEM",
                         SysName(task.sys), kStubAddress));
        return Answered(-ENOMEM);
      }
      break;
    case MapEffect::kAdvise:
      // When the kernel takes such pages is its own choice; that it never does is allowed.
      if (arg(2) == MADV_FREE || TouchesStub(arg(0), arg(1))) return Answered(0);
      break;
    default:
      break;
  }
  switch (task.sys) {
    case Sys::prctl:
      return AnswerPrctl(task);
    case Sys::seccomp:
      return Answered(AnswerSeccomp(task));
    case Sys::clone3:
      if ((CloneFlags(task) & CLONE_UNTRACED) != 0) return Answered(-EPERM);
      break;
    case Sys::sched_setaffinity:
      return Answered(SetAffinity(task));
    default:
      break;
  }
  return Answered();
}

int64_t Recording::SetAffinity(Task& task) {
  // All tasks share the tracer's CPU; the program believes what it asked for, as far as it may run
  // there.
  cpu_set_t wanted;
  CPU_ZERO(&wanted);
  size_t size = std::min<uint64_t>(machine::Argument(task.entry, 1), sizeof wanted);
  if (!task.process->memory.Read(machine::Argument(task.entry, 2), &wanted, size)) return -EFAULT;
  CPU_AND(&wanted, &wanted, &options_.affinity);
  if (CPU_COUNT(&wanted) == 0) return -EINVAL;
  uint64_t target = machine::Argument(task.entry, 0);
  if (target == 0 || target == static_cast<uint64_t>(task.pid)) State(task).affinity = wanted;
  return 0;
}

Result<std::optional<int64_t>> Recording::AnswerPrctl(Task& task) {
  using Answered = std::optional<int64_t>;
  ProcessState& process = *State(task).process;
  uint64_t value = machine::Argument(task.entry, 1);
  switch (static_cast<int>(machine::Argument(task.entry, 0))) {
    case PR_SET_DUMPABLE:
      // An undumpable process can be read by no ordinary tracer; the program needn't know that it
      // isn't one.
      if (value > 1) break;
      process.undumpable = value == 0;
      return Answered(0);
    case PR_GET_DUMPABLE:
      return Answered(process.undumpable ? 0 : 1);
    case PR_SET_SECCOMP:
      if (value == SECCOMP_MODE_STRICT) return Answered(AnswerStrictMode(task));
      return Answered(value == SECCOMP_MODE_FILTER
                          ? AnswerFilterMode(task, 0, machine::Argument(task.entry, 2))
                          : -EINVAL);
    case PR_GET_SECCOMP:
      return Answered(SeccompModeOf(task));
    case PR_SET_NO_NEW_PRIVS:
      // Set for all that is recorded: a filter needs it.
      if (value != 1 || HasMoreArguments(task, 2)) return Answered(-EINVAL);
      task.no_new_privs = true;
      return Answered(0);
    case PR_GET_NO_NEW_PRIVS:
      if (HasMoreArguments(task, 1)) return Answered(-EINVAL);
      return Answered(task.no_new_privs ? 1 : 0);
    case PR_SET_MDWE:
      may_withhold_ = false;
      break;
    case PR_SET_TSC:
      return Answered(value == PR_TSC_ENABLE ? 0 : -EINVAL);
    default:
      break;
  }
  return Answered();
}

void Recording::ReadInto(const Task& task, const std::vector<Range>& outputs,
                         const std::vector<Range>& previews) {
  // Make all room first: data may move while it grows.
  size_t first_write = event_.writes.size();
  for (const Range& range : outputs) event_.AddWrite(range.address, range.size);
  for (const Range& range : previews) event_.AddPreview(range.address, range.size);
  std::vector<TaskMemory::Piece> pieces;
  pieces.reserve(outputs.size() + previews.size());
  auto add = [&](const MemoryWrite& write) {
    pieces.push_back({write.address, std::span(event_.data).subspan(write.offset, write.size)});
  };
  std::for_each(event_.writes.begin() + static_cast<ptrdiff_t>(first_write), event_.writes.end(),
                add);
  std::for_each(event_.previews.begin(), event_.previews.end(), add);
  task.process->memory.Gather(pieces);
  for (size_t i = 0; i < outputs.size(); ++i) {
    event_.writes[first_write + i].size = static_cast<uint32_t>(pieces[i].got);
  }
  for (size_t i = 0; i < previews.size(); ++i) {
    event_.previews[i].size = static_cast<uint32_t>(pieces[outputs.size() + i].got);
  }
}

Result<bool> Recording::AddMemory(Task& task, const Row& row, int64_t result) {
  TaskState& state = State(task);
  Call call = CallOf(task, result);
  size_t first_write = event_.writes.size();
  std::vector<Range> outputs = std::move(state.interrupted_outputs);
  state.interrupted_outputs.clear();
  std::vector<Range> previews;
  if (state.copies) {
    TRY(state.copies->AddDifferences(task.pid, task.process->memory, event_));
    state.copies.reset();
  } else {
    OutputRanges(row, state.redirection ? MadeCallOf(task, result) : call, outputs);
  }
  InputPreviews(row, call, previews);
  if (!outputs.empty() || !previews.empty()) ReadInto(task, outputs, previews);
  if (!state.redirection) return true;
  bool writable = state.redirection->Finish(task.process->memory, event_, first_write, result);
  state.redirection->Release(state.process->scratch);
  state.redirection.reset();
  return writable;
}

Status Recording::OnCallInterrupted(Task& task, const Registers& exit) {
  Call call = MadeCallOf(task, machine::ResultOf(exit));
  OutputRanges(RowOf(task.sys), call, State(task).interrupted_outputs);
  return {};
}

Status Recording::OnCallEntered(Task& task) {
  if (State(task).entered) return {};
  LogEntry(task);
  Call call = CallOf(task, 0);
  if (task.phase == Task::Phase::kInCall && WritesFutexWord(call)) {
    // It sleeps; whoever runs next finds the word as the kernel has left it.
    std::vector<Range> outputs;
    OutputRanges(RowOf(task.sys), call, outputs);
    ReadInto(task, outputs, {});
  }
  // Others may write to its buffers from here on.
  if (!State(task).writes_echo) AddWritten(task, RowOf(task.sys), UINT64_MAX);
  Write(task);
  return {};
}

Status Recording::OnCallExit(Task& task, Registers& exit) {
  TaskState& state = State(task);
  const Row& row = RowOf(task.sys);
  int64_t result = machine::ResultOf(exit);
  if (task.sys == Sys::sched_getaffinity && result > 0) {
    // All tasks share the tracer's CPU, which is no business of the program's.
    const cpu_set_t& believed = state.affinity ? *state.affinity : options_.affinity;
    size_t size = std::min<size_t>(static_cast<size_t>(result), sizeof believed);
    ByteSpan mask(reinterpret_cast<const uint8_t*>(&believed), size);
    TRY(task.process->memory.Write(machine::Argument(task.entry, 2), mask));
  }
  Begin(task, state.entered ? EventKind::kCompleted : EventKind::kSyscall);
  event_.before = task.entry;
  bool failed = result < 0 && result >= -4095;
  Call call = CallOf(task, result);
  MapEffect map_effect = MapEffectOf(row, call);
  if (map_effect != MapEffect::kNone && !failed) TRY(AddMapEffect(task, map_effect, result));
  state.fds->Follow(FdEffectOf(row, call), call.args, result);
  if (WriteSourceOf(row) != WriteSource::kNone) TRY(FinishWrite(task, row, result));
  if (!TRY(AddMemory(task, row, result))) machine::SetResult(exit, -EFAULT);
  event_.after = exit;
  machine::ForgetSyscall(event_.after);
  TRY(FollowSignals(task, row, result));
  FollowTask(task);
  if (TaskEffectOf(row) == TaskEffect::kSigreturn || map_effect == MapEffect::kExecuted) {
    TRY(ptracer::GetVector(task.pid, event_.vector_state));
  }
  if (!state.cpuid_trapped && (state.must_trap_cpuid || FdEffectOf(row) == FdEffect::kOpens)) {
    // ld.so has asked the CPU what it wanted to know before it opens its first library; from here
    // on the answers hide what can't be trapped (random numbers).
    SignalsHeld guard = TRY(SignalsHeld::Hold(task.pid));
    Registers now = exit;
    machine::ForgetSyscall(now);
    TRY(TrapCpuid(task, now));
  }
  Write(task);
  // The next call that it is seen to enter is another one.
  state.entered = false;
  if (!changed_elsewhere_.empty()) WriteChangesElsewhere();
  return {};
}

Status Recording::FollowSignals(Task& task, const Row& row, int64_t result) {
  switch (TaskEffectOf(row)) {
    case TaskEffect::kSigaction: {
      if (result != 0) break;
      uint64_t signal = machine::Argument(task.entry, 0);
      uint64_t address = machine::Argument(task.entry, 1);
      if (address == 0 || signal == 0 || signal > SignalActions::kSignals) break;
      SignalAction action;
      const ReadableMemory& memory = task.process->memory;
      if (memory.ReadValue(address, &action.handler) &&
          memory.ReadValue(address + HostArch().abi.ksigaction_flags_offset, &action.flags)) {
        (*task.signals)[static_cast<int>(signal)] = action;
      }
      break;
    }
    case TaskEffect::kSigmask:
    case TaskEffect::kSigreturn:
      task.signal_mask = TRY(ptracer::GetSigmask(task.pid));
      break;
    default:
      break;
  }
  return {};
}

}  // namespace retake
