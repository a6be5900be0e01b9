// The replay engine. Each address space of the recording is a husk with one kernel thread; a task
// is a register file.
//
// For an event of a call, the husk runs until its next syscall instruction (Husk::ResumeToCall: the
// call isn't made), all registers are compared with the recorded ones, what the event holds is
// applied, and the recorded exit registers are set. Events without a call of their own (a signal
// frame, a new task) are applied where the one before left the task.
#include "replay/replayer.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <optional>

#include "base/fd.h"
#include "replay/divergence.h"
#include "replay/input_comparison.h"
#include "replay/page_copies.h"
#include "replay/stack_trace.h"
#include "replay/state_match.h"
#include "replay/written_bytes.h"
#include "snapshot/husk.h"
#include "supervisor/exec_setup.h"
#include "supervisor/own_traps.h"
#include "tracee/hidden_register.h"
#include "tracee/planted_traps.h"
#include "tracee/ptrace.h"
#include "tracee/stepper.h"

namespace retake {
namespace {

// ms: a replay that diverged in a loop would look for a state for ever.
constexpr int64_t kSearchBound = 600'000;

class Replayer {
 public:
  Replayer(TraceReader& trace, const ReplayOptions& options)
      : trace_(trace), options_(options), arch_(trace.arch()) {}

  Result<ReplayOutcome> Run();

 private:
  // One address space and the task whose registers it has at the moment.
  struct Space {
    std::unique_ptr<Husk> husk;
    TaskId current = 0;
  };
  struct ReplayTask {
    std::shared_ptr<Space> space;  // null: not there (yet, or any more)
    Registers registers;           // what it goes on with
    Registers entry;               // as found at the entry of its present call
    std::vector<uint8_t> vector;   // its vector state while another task has the husk
    bool at_entry = false;         // it stands at the entry of a call whose event is still to come
  };

  Status CheckMachine();
  bool KernelTrapsTimestamps() const {
    return !trace_.manifest().planted_traps && TimestampTrapWorks();
  }
  Status OpenObjects();
  Status Apply(const Event& event);
  Status ApplyExec(const Event& event, ReplayTask& task);
  Status ApplyTrap(const Event& event, ReplayTask& task);
  Status ApplyFirstRunEnd(const Event& event, ReplayTask& task);
  Status ApplySignal(const Event& event, ReplayTask& task);
  Status ApplyNewTask(const Event& event, ReplayTask& task);
  Status ApplyPreemption(const Event& event, ReplayTask& task);
  Status ApplyCall(const Event& event, ReplayTask& task);

  // Gives the husk the task's registers.
  Status SwitchTo(TaskId id, ReplayTask& task);
  // Runs to the next syscall entry and compares; a no-op if the task stands there already.
  Status RunToCall(const Event& event, ReplayTask& task);
  Result<WaitStatus> RunHusk(Husk& husk);
  Status Compare(const Event& event, Husk& husk, const Registers& found);
  Status ApplyMapOps(const Event& event, Husk& husk, const Registers& registers);
  Status GrowObject(uint32_t index, uint64_t size);
  Status ApplyWrites(const Event& event, Husk& husk);
  // Of code that is one of the trace's objects: where the recording's machine made its reads of the
  // time-stamp counter trap, and this one can't.
  Status PlantTraps(const Husk& husk, const MappedCode& code, uint32_t object);
  // What the call finds in the program's memory, as far as the trace says.
  Status CompareInputs(const Event& event, Husk& husk);
  void Echo(const Event& event, const Husk& husk) const;
  Status CheckHash(const Event& event);

  Error Diverge(const Event& event, Husk* husk, const Divergence& divergence);
  std::string StackOf(Husk& husk);

  TraceReader& trace_;
  const ReplayOptions& options_;
  const ArchDescription& arch_;
  std::vector<Fd> objects_;
  std::vector<int> object_fds_;
  std::vector<ReplayTask> tasks_;
  TrapPlanter planter_;
  ReplayOutcome outcome_;
  InputComparison inputs_;
};

// False if nobody reads any more: the replay goes on.
bool WriteAll(int fd, ByteSpan bytes) {
  while (!bytes.empty()) {
    ssize_t written = write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    bytes = bytes.subspan(static_cast<size_t>(written));
  }
  return true;
}

std::string DescribeStop(WaitStatus status, const Registers& found, const ArchDescription& arch) {
  switch (status.kind()) {
    case StopKind::kExited:
    case StopKind::kKilled:
      return fmt::format("the end of the process (wait status {:#x})", status.raw());
    case StopKind::kSyscall:
    case StopKind::kSeccomp: {
      auto number = static_cast<int64_t>(machine::SyscallNumber(found));
      return fmt::format("the call {} (number {}) at {:#x}", SysName(arch.SysOf(number)), number,
                         Pc(found));
    }
    case StopKind::kSignal:
      return fmt::format(
          "signal {} (SIG{}) at {:#x}", status.signal(),
          sigabbrev_np(status.signal()) != nullptr ? sigabbrev_np(status.signal()) : "?",
          Pc(found));
    default:
      return fmt::format("a stop of kind {} at {:#x}", static_cast<int>(status.kind()), Pc(found));
  }
}

Status Replayer::CheckMachine() {
  const TraceManifest& manifest = trace_.manifest();
  if (manifest.arch != HostArch().id) {
    return MakeError(
        "this trace was recorded on {}; it can be listed, dumped and verified here, but not "
        "replayed",
        arch_.name);
  }
  if (manifest.page_size != static_cast<uint64_t>(sysconf(_SC_PAGESIZE))) {
    return MakeError("this trace was recorded with pages of {} bytes, and this machine's have {}",
                     manifest.page_size, sysconf(_SC_PAGESIZE));
  }
  std::string missing;
  std::vector<machine::CpuFeature> mine = machine::CpuFeatures();
  for (const std::string& name :
       manifest.portable ? std::vector<std::string>{} : manifest.cpu_features) {
    bool present = std::any_of(mine.begin(), mine.end(), [&](const machine::CpuFeature& feature) {
      return feature.name == name && feature.present;
    });
    if (!present) missing += (missing.empty() ? "" : ", ") + name;
  }
  if (!missing.empty())
    return MakeError("this CPU lacks what the recorded program could use: {}", missing);
  if (manifest.cpu >= 0) {
    // Programs can see the CPU's number in ways that nothing can trap; where it can't be had, the
    // comparison of registers catches a program that looked.
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(static_cast<size_t>(manifest.cpu), &one);
    if (sched_setaffinity(0, sizeof one, &one) != 0) {
      int here = sched_getcpu();
      CPU_ZERO(&one);
      CPU_SET(static_cast<size_t>(here), &one);
      (void)sched_setaffinity(0, sizeof one, &one);
    }
  }
  return {};
}

// A copy of a blob in memory, for a trace that lies where nothing may be mapped executable.
Result<Fd> CopyToMemory(const Fd& blob, uint64_t size) {
  Fd copy(memfd_create("retake-blob", MFD_CLOEXEC));
  if (!copy) return ErrnoError("can't make a memory file");
  off_t from = 0;
  while (static_cast<uint64_t>(from) < size) {
    char buffer[1 << 16];
    ssize_t got = pread(blob.get(), buffer, sizeof buffer, from);
    if (got < 0) return ErrnoError("can't read a blob");
    if (got == 0) break;
    if (pwrite(copy.get(), buffer, static_cast<size_t>(got), from) != got)
      return ErrnoError("can't copy a blob");
    from += got;
  }
  return copy;
}

Status Replayer::OpenObjects() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
  }
  struct statvfs filesystem {};
  bool no_exec =
      statvfs(trace_.path().c_str(), &filesystem) == 0 && (filesystem.f_flag & ST_NOEXEC) != 0;
  const std::vector<TraceObject>& objects = trace_.objects();
  for (uint32_t i = 0; i < objects.size(); ++i) {
    Fd fd;
    bool has_blob = !objects[i].hash.empty();
    if (has_blob) fd = TRY(trace_.OpenBlob(i));
    if (objects[i].kind == TraceObject::Kind::kShared) {
      Fd memory(memfd_create("retake-shared", MFD_CLOEXEC));
      if (!memory) return ErrnoError("can't make a memory file");
      if (has_blob) memory = TRY(CopyToMemory(fd, objects[i].size));
      if (ftruncate(memory.get(), static_cast<off_t>(objects[i].size)) != 0) {
        return ErrnoError("can't make a memory file of {} bytes", objects[i].size);
      }
      fd = std::move(memory);
    } else if (no_exec) {
      fd = TRY(CopyToMemory(fd, objects[i].size));
    }
    object_fds_.push_back(fd.get());
    objects_.push_back(std::move(fd));
  }
  return {};
}

Result<ReplayOutcome> Replayer::Run() {
  TRY(CheckMachine());
  TRY(OpenObjects());
  std::optional<OwnTimestampTrap> trap;
  if (KernelTrapsTimestamps()) trap.emplace();
  Event event;
  for (;;) {
    TraceReader::Next next = TRY(trace_.ReadEvent(event));
    if (next == TraceReader::Next::kCut) {
      outcome_.failure = fmt::format("the trace ends here, after {} events: {}", outcome_.events,
                                     trace_.cut_reason());
      break;
    }
    if (next == TraceReader::Next::kEnd) {
      if (trace_.manifest().end != TraceEnd::kComplete) {
        outcome_.failure =
            fmt::format("the trace ends here, after {} events: {}", outcome_.events,
                        trace_.manifest().reason.empty() ? "the recording was stopped"
                                                         : trace_.manifest().reason);
      }
      break;
    }
    Status applied = Apply(event);
    if (applied.ok() && options_.check && event.memory_hash != 0) applied = CheckHash(event);
    if (!applied.ok()) {
      if (!outcome_.diverged) return applied.TakeError();
      outcome_.failure = applied.error().what();
      break;
    }
    ++outcome_.events;
  }
  return std::move(outcome_);
}

Status Replayer::Apply(const Event& event) {
  // Ids grow by one with each new task; anything else is damage.
  if (event.task >= tasks_.size()) {
    if (event.task != tasks_.size() || event.kind != EventKind::kExec || event.task != 0) {
      return MakeError("the trace is damaged: event {} is of a task that doesn't exist",
                       event.sequence);
    }
    tasks_.emplace_back();
  }
  ReplayTask& task = tasks_[event.task];
  if (task.space == nullptr && event.kind != EventKind::kExec) {
    return MakeError("the trace is damaged: event {} is of a task that is gone", event.sequence);
  }
  switch (event.kind) {
    case EventKind::kExec:
      return ApplyExec(event, task);
    case EventKind::kEntered:
      TRY(RunToCall(event, task));
      task.at_entry = true;
      task.registers = task.entry;
      TRY(ApplyWrites(event, *task.space->husk));
      return CompareInputs(event, *task.space->husk);
    case EventKind::kSyscall:
    case EventKind::kCompleted:
      return ApplyCall(event, task);
    case EventKind::kSignal:
    case EventKind::kFault:
      return ApplySignal(event, task);
    case EventKind::kTimestamp:
    case EventKind::kCpuid:
    case EventKind::kFirstRun:
      return ApplyTrap(event, task);
    case EventKind::kFirstRunEnd:
      return ApplyFirstRunEnd(event, task);
    case EventKind::kTaskNew:
      return ApplyNewTask(event, task);
    case EventKind::kTaskGone:
      if (event.task == 0) outcome_.wait_status = event.wait_status;
      // The kernel's last writes matter to those who still have that memory.
      TRY(ApplyWrites(event, *task.space->husk));
      task = ReplayTask{};  // the husk ends with its last task
      return {};
    case EventKind::kMemoryChanged:
      return ApplyWrites(event, *task.space->husk);
    case EventKind::kRegistersChanged:
      TRY(SwitchTo(event.task, task));
      task.registers = event.after;
      task.at_entry = false;
      return ptracer::SetRegisters(task.space->husk->pid(), event.after);
    case EventKind::kPreemption:
      return ApplyPreemption(event, task);
  }
  return MakeError("the trace is damaged: event {} is of no known kind", event.sequence);
}

// --- Running
// ---------------------------------------------------------------------------------------

Status Replayer::SwitchTo(TaskId id, ReplayTask& task) {
  Space& space = *task.space;
  if (space.current == id) return {};
  pid_t pid = space.husk->pid();
  if (space.current < tasks_.size() && tasks_[space.current].space == task.space) {
    TRY(ptracer::GetVector(pid, tasks_[space.current].vector));
  }
  TRY(ptracer::SetRegisters(pid, task.registers));
  if (!task.vector.empty()) TRY(ptracer::SetVector(pid, task.vector));
  space.current = id;
  return {};
}

Result<WaitStatus> Replayer::RunHusk(Husk& husk) {
  for (;;) {
    TRY(husk.ResumeToCall());
    auto status = TRY(ptracer::WaitOne(husk.pid(), -1));
    // Signals from outside (the terminal's, a stray kill) are no part of the replay.
    if (status->kind() == StopKind::kSignal) {
      siginfo_t info;
      TRY(ptracer::GetSiginfo(husk.pid(), info));
      if (info.si_code <= 0 || (info.si_code == SI_KERNEL && status->signal() == SIGINT)) continue;
    }
    if (status->kind() == StopKind::kEventStop || status->kind() == StopKind::kGroupStop) continue;
    return *status;
  }
}

Status Replayer::Compare(const Event& event, Husk& husk, const Registers& found) {
  Registers expected = machine::Comparable(event.before);
  Registers actual = machine::Comparable(found);
  if (expected == actual) return {};
  return Diverge(event, &husk,
                 {DescribeEvent(event, arch_), "other registers there",
                  DescribeDifferences(expected, actual, arch_)});
}

Status Replayer::RunToCall(const Event& event, ReplayTask& task) {
  TRY(SwitchTo(event.task, task));
  if (task.at_entry) return {};
  Husk& husk = *task.space->husk;
  WaitStatus status = TRY(RunHusk(husk));
  Registers found;
  if (status.kind() == StopKind::kSyscall || status.kind() == StopKind::kSeccomp) {
    TRY(ptracer::GetRegisters(husk.pid(), found));
    if (machine::SyscallNumber(found) == machine::SyscallNumber(event.before) &&
        Pc(found) == Pc(event.before)) {
      TRY(Compare(event, husk, found));
      task.entry = found;
      return husk.Uncover(task.entry);
    }
  } else if (!status.gone()) {
    TRY(ptracer::GetRegisters(husk.pid(), found));
  }
  std::string details = status.gone() ? ""
                                      : DescribeDifferences(machine::Comparable(event.before),
                                                            machine::Comparable(found), arch_);
  return Diverge(event, status.gone() ? nullptr : &husk,
                 {DescribeEvent(event, arch_), DescribeStop(status, found, arch_), details});
}

// --- Events
// ----------------------------------------------------------------------------------------

Status Replayer::ApplyExec(const Event& event, ReplayTask& task) {
  Image image = TRY(trace_.ReadImage(event.image));
  bool alone = task.space != nullptr &&
               std::count_if(tasks_.begin(), tasks_.end(), [&](const ReplayTask& other) {
                 return other.space == task.space;
               }) == 1;
  Husk::Options options{object_fds_, image.stack_limit, KernelTrapsTimestamps()};
  bool needs_new = task.space == nullptr || task.space->husk->has_more_than_memory();
  if (task.space == nullptr || (alone && needs_new)) {
    task.space = std::make_shared<Space>();
    task.space->husk = TRY(Husk::Spawn(options));
  } else if (!alone) {
    // A vfork child leaves its parent's memory: it gets a husk of its own.
    TRY(SwitchTo(event.task, task));
    auto space = std::make_shared<Space>();
    space->husk =
        needs_new ? TRY(Husk::Spawn(options)) : TRY(task.space->husk->Fork(task.registers));
    // The parent's registers come back when it is switched to; the husk is in the stub now.
    task.space->current = ~TaskId{0};
    for (ReplayTask& other : tasks_) {
      if (other.space == task.space && &other != &task && other.vector.empty()) {
        TRY(ptracer::GetVector(task.space->husk->pid(), other.vector));
      }
    }
    task.space = std::move(space);
  }
  TRY(task.space->husk->Load(image, object_fds_));
  for (const ImageMapping& mapping : image.mappings) {
    if (mapping.kind == ImageMapping::Kind::kBlob && (mapping.prot & PROT_EXEC) != 0)
      TRY(PlantTraps(*task.space->husk, {mapping.address, mapping.size, mapping.offset},
                     mapping.object));
  }
  TRY(ApplyWrites(event, *task.space->husk));
  if (auto off = machine::CpuidTrap(false); off && event.sequence > 0) {
    // A real exec clears it. (A CPU that can't trap cpuid refuses, and has nothing to clear.)
    BatchCall call = MakeCall(off->sys, off->args[0], off->args[1]);
    TRY(task.space->husk->Run(image.registers, {&call, 1}));
  }
  if (!event.map_ops.empty()) TRY(ApplyMapOps(event, *task.space->husk, image.registers));
  TRY(ptracer::SetRegisters(task.space->husk->pid(), event.after));
  task.space->current = event.task;
  task.registers = event.after;
  task.vector.clear();
  task.at_entry = false;
  return {};
}

Status Replayer::ApplyCall(const Event& event, ReplayTask& task) {
  TRY(RunToCall(event, task));
  task.at_entry = false;
  Husk& husk = *task.space->husk;
  if (!event.map_ops.empty()) TRY(ApplyMapOps(event, husk, event.before));
  if (!event.writes.empty()) TRY(ApplyWrites(event, husk));
  TRY(CompareInputs(event, husk));
  if (!event.vector_state.empty()) TRY(ptracer::SetVector(husk.pid(), event.vector_state));
  task.registers = event.after;
  // Not all recordings could see all registers at an exit.
  CompleteExit(arch_.SysOf(static_cast<int64_t>(machine::SyscallNumber(event.before))), task.entry,
               husk.memory(), task.registers);
  if (machine::IsLegacyPageCall(event.before)) {
    // The kernel returns from that page by itself, but only if nothing but the result was changed.
    Registers suppressed = event.before;
    machine::SuppressCall(suppressed);
    machine::SetResult(suppressed, machine::ResultOf(event.after));
    TRY(ptracer::SetRegisters(husk.pid(), suppressed));
  } else {
    TRY(ptracer::SetRegisters(husk.pid(), task.registers));
  }
  if (event.echo != EchoTarget::kNone && !options_.quiet) Echo(event, husk);
  return {};
}

Status Replayer::ApplyTrap(const Event& event, ReplayTask& task) {
  TRY(SwitchTo(event.task, task));
  Husk& husk = *task.space->husk;
  WaitStatus status = TRY(RunHusk(husk));
  Registers found;
  if (!status.gone()) TRY(ptracer::GetRegisters(husk.pid(), found));
  // SIGILL where the code was changed to trap.
  bool traps = status.kind() == StopKind::kSignal &&
               (status.signal() == SIGSEGV || status.signal() == SIGILL);
  if (!traps || Pc(found) != Pc(event.before)) {
    return Diverge(event, status.gone() ? nullptr : &husk,
                   {DescribeEvent(event, arch_), DescribeStop(status, found, arch_), ""});
  }
  TRY(Compare(event, husk, found));
  if (!event.map_ops.empty()) TRY(ApplyMapOps(event, husk, found));
  TRY(ApplyWrites(event, husk));
  task.registers = event.after;
  return ptracer::SetRegisters(husk.pid(), event.after);
}

// More than any recorder makes.
constexpr int kMostSteps = 10'000;

Status Replayer::ApplyFirstRunEnd(const Event& event, ReplayTask& task) {
  TRY(SwitchTo(event.task, task));
  Husk& husk = *task.space->husk;
  if (event.map_ops.size() != 1)
    return MakeError("the trace is damaged: event {} names no page", event.sequence);
  const MapOp& page = event.map_ops.front();
  Stepper stepper(husk.pid(), husk.memory());
  Registers found = task.registers;
  for (int step = 0; step < kMostSteps && Pc(found) - page.address < page.size; ++step) {
    StepOutcome outcome = TRY(stepper.Step(found));
    if (outcome != StepOutcome::kStepped) break;
  }
  TRY(Compare(event, husk, found));
  TRY(ApplyMapOps(event, husk, found));
  task.registers = event.after;
  return ptracer::SetRegisters(husk.pid(), event.after);
}

Status Replayer::ApplySignal(const Event& event, ReplayTask& task) {
  TRY(SwitchTo(event.task, task));
  Husk& husk = *task.space->husk;
  if (event.kind == EventKind::kFault) {
    // The program's own instruction raises it here too.
    WaitStatus status = TRY(RunHusk(husk));
    Registers found;
    if (!status.gone()) TRY(ptracer::GetRegisters(husk.pid(), found));
    if (status.kind() != StopKind::kSignal || status.signal() != event.signal) {
      return Diverge(event, status.gone() ? nullptr : &husk,
                     {DescribeEvent(event, arch_), DescribeStop(status, found, arch_), ""});
    }
    TRY(Compare(event, husk, found));
  }
  TRY(ApplyWrites(event, husk));
  if (!event.vector_state.empty()) TRY(ptracer::SetVector(husk.pid(), event.vector_state));
  task.registers = event.after;
  task.at_entry = false;
  return ptracer::SetRegisters(husk.pid(), event.after);
}

// The task computes until it is in the state that it was stopped in.
Status Replayer::ApplyPreemption(const Event& event, ReplayTask& task) {
  TRY(SwitchTo(event.task, task));
  Husk& husk = *task.space->husk;
  StateMark mark;
  mark.registers = event.before;
  mark.vector = event.vector_state;
  ByteReader bytes(event.mark);
  DecodeMark(bytes, mark);
  TRY(bytes.status("state mark"));
  MatchOptions options;
  options.limit = kSearchBound;
  // The code may be in shared memory, and is to be patched.
  husk.memory().set_shared_files(object_fds_);
  MatchOutcome found = TRY(RunToState(husk.pid(), husk.memory(), mark, options));
  std::string passed =
      fmt::format("the place was passed at least {} times, in other states\n", found.passings);
  switch (found.kind) {
    case MatchOutcome::Kind::kMatched:
      break;
    case MatchOutcome::Kind::kStopped:
      return Diverge(event, found.status.gone() ? nullptr : &husk,
                     {DescribeEvent(event, arch_),
                      DescribeStop(found.status, found.registers, arch_), passed});
    case MatchOutcome::Kind::kLimit:
      return Diverge(
          event, &husk,
          {DescribeEvent(event, arch_),
           fmt::format("not that state in {} s of computing", kSearchBound / 1000), passed});
  }
  task.registers = event.after;
  task.at_entry = false;
  return ptracer::SetRegisters(husk.pid(), event.after);
}

Status Replayer::ApplyNewTask(const Event& event, ReplayTask& task) {
  if (event.new_task != tasks_.size()) {
    return MakeError("the trace is damaged: event {} makes task {} out of turn", event.sequence,
                     event.new_task);
  }
  TRY(RunToCall(event, task));
  task.at_entry = true;
  Husk& husk = *task.space->husk;
  ReplayTask child;
  child.registers = event.after;
  if (event.sharing == TaskSharing::kProcess) {
    auto space = std::make_shared<Space>();
    space->husk = TRY(husk.Fork(event.before));
    space->current = event.new_task;
    TRY(ptracer::SetRegisters(space->husk->pid(), event.after));
    TRY(ptracer::SetRegisters(husk.pid(), task.entry));
    child.space = std::move(space);
    TRY(ApplyWrites(event, *child.space->husk));
  } else {
    child.space = task.space;
    TRY(ptracer::GetVector(husk.pid(), child.vector));
    TRY(ApplyWrites(event, husk));
    if (!event.map_ops.empty()) {
      TRY(ApplyMapOps(event, husk, event.before));
      TRY(ptracer::SetRegisters(husk.pid(), task.entry));
    }
  }
  task.registers = task.entry;
  tasks_.push_back(std::move(child));
  return {};
}

// --- Effects
// ---------------------------------------------------------------------------------------

Status Replayer::ApplyMapOps(const Event& event, Husk& husk, const Registers& registers) {
  std::vector<BatchCall> calls;
  std::vector<uint64_t> expected;
  auto cpuid = machine::CpuidTrap(true);
  auto traps_cpuid = [&](const MapOp& op) {
    return cpuid && op.kind == MapOp::Kind::kRawCall &&
           static_cast<int>(op.flags) == HostArch().NumberOf(cpuid->sys) &&
           op.address == cpuid->args[0];
  };
  for (const MapOp& op : event.map_ops) {
    bool moves = op.kind == MapOp::Kind::kRemap;
    if (op.kind != MapOp::Kind::kRawCall &&
        (TouchesStub(op.address, op.size) || (moves && TouchesStub(op.new_address, op.new_size)))) {
      return MakeError("event {} of the trace changes retake's stub page: refused", event.sequence);
    }
    // The kernel may take a protection key for memory that can be executed and nothing else.
    bool only_executes = (op.prot & (PROT_READ | PROT_WRITE | PROT_EXEC)) == PROT_EXEC;
    if (only_executes || (op.kind == MapOp::Kind::kRawCall && !traps_cpuid(op)))
      husk.NoteMoreThanMemory();
    uint64_t fd = ~uint64_t{0};
    if (op.kind == MapOp::Kind::kMapBlob || op.kind == MapOp::Kind::kMapShared) {
      if (op.object >= object_fds_.size()) {
        return MakeError("event {} of the trace maps object {}, which it hasn't got",
                         event.sequence, op.object);
      }
      fd = static_cast<uint64_t>(object_fds_[op.object]);
      if (op.extra > 0) TRY(GrowObject(op.object, op.extra));
    }
    uint64_t result = 0;
    switch (op.kind) {
      case MapOp::Kind::kMapAnonymous:
        calls.push_back(MakeCall(
            Sys::mmap, op.address, op.size, op.prot,
            MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE | (op.flags & MAP_GROWSDOWN),
            fd, 0));
        result = op.address;
        break;
      case MapOp::Kind::kMapBlob:
        calls.push_back(MakeCall(Sys::mmap, op.address, op.size, op.prot,
                                 MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE, fd, op.offset));
        result = op.address;
        break;
      case MapOp::Kind::kMapShared:
        calls.push_back(MakeCall(Sys::mmap, op.address, op.size, op.prot,
                                 MAP_SHARED | MAP_FIXED | MAP_NORESERVE, fd, op.offset));
        result = op.address;
        break;
      case MapOp::Kind::kUnmap:
        calls.push_back(MakeCall(Sys::munmap, op.address, op.size));
        break;
      case MapOp::Kind::kProtect:
        calls.push_back(op.extra == ~uint64_t{0}
                            ? MakeCall(Sys::mprotect, op.address, op.size, op.prot)
                            : MakeCall(Sys::pkey_mprotect, op.address, op.size, op.prot, op.extra));
        break;
      case MapOp::Kind::kRemap: {
        bool in_place = op.address == op.new_address;
        uint64_t flags =
            in_place ? 0 : (op.flags & MREMAP_DONTUNMAP) | MREMAP_MAYMOVE | MREMAP_FIXED;
        calls.push_back(MakeCall(Sys::mremap, op.address, op.size, op.new_size, flags,
                                 in_place ? 0 : op.new_address));
        result = op.new_address;
        break;
      }
      case MapOp::Kind::kAdvise:
        calls.push_back(MakeCall(Sys::madvise, op.address, op.size, op.flags));
        break;
      case MapOp::Kind::kDiscard:
        calls.push_back(MakeCall(Sys::madvise, op.address, op.size, MADV_DONTNEED));
        break;
      case MapOp::Kind::kRawCall:
        calls.push_back(BatchCall{op.flags, {op.address, op.size, op.prot, op.offset, 0, 0}, 0});
        result =
            event.kind == EventKind::kSyscall && op.flags == machine::SyscallNumber(event.before)
                ? static_cast<uint64_t>(machine::ResultOf(event.after))
                : 0;
        break;
    }
    expected.push_back(result);
  }
  TRY(husk.Run(registers, calls));
  for (size_t i = 0; i < calls.size(); ++i) {
    if (calls[i].result == expected[i]) continue;
    return MakeError("event {}: the {} that the recording made gives {} here, not {}",
                     event.sequence, SysName(arch_.SysOf(static_cast<int64_t>(calls[i].number))),
                     static_cast<int64_t>(calls[i].result), static_cast<int64_t>(expected[i]));
  }
  for (const MapOp& op : event.map_ops) {
    if (op.kind == MapOp::Kind::kMapBlob && (op.prot & PROT_EXEC) != 0)
      TRY(PlantTraps(husk, {op.address, op.size, op.offset}, op.object));
    if (traps_cpuid(op)) {
      TrapOwnCpuid();  // equal flags on both sides make each stop cheaper; see
                       // Supervisor::TrapCpuid
    }
  }
  return {};
}

// A file that is mapped again may have grown since.
Status Replayer::GrowObject(uint32_t index, uint64_t size) {
  struct stat status {};
  if (trace_.objects()[index].kind != TraceObject::Kind::kShared) return {};
  if (fstat(object_fds_[index], &status) != 0) return ErrnoError("can't look at a memory file");
  if (static_cast<uint64_t>(status.st_size) >= size) return {};
  if (ftruncate(object_fds_[index], static_cast<off_t>(size)) != 0)
    return ErrnoError("can't make a memory file of {} bytes", size);
  return {};
}

Status Replayer::ApplyWrites(const Event& event, Husk& husk) {
  for (const MemoryWrite& write : event.writes) {
    if (TouchesStub(write.address, write.size)) {
      return MakeError("event {} of the trace writes to retake's stub page: refused",
                       event.sequence);
    }
    TRY(husk.memory().Write(write.address, event.BytesOf(write)));
  }
  return {};
}

Status Replayer::PlantTraps(const Husk& husk, const MappedCode& code, uint32_t object) {
  if (trace_.manifest().planted_traps || TimestampTrapWorks()) return {};
  struct stat status {};
  if (fstat(object_fds_[object], &status) != 0) return ErrnoError("can't look at a blob");
  (void)TRY(planter_.Plant(husk.memory(), code, object_fds_[object], status, {.timestamp = true}));
  return {};
}

Status Replayer::CompareInputs(const Event& event, Husk& husk) {
  std::optional<std::string> found = inputs_.FindDifference(event, husk.memory());
  if (!found) return {};
  return Diverge(event, &husk, {DescribeEvent(event, arch_), *found, ""});
}

void Replayer::Echo(const Event& event, const Husk& husk) const {
  int fd = event.echo == EchoTarget::kStderr ? 2 : 1;
  ReadWritten(husk.memory(), event.written, [&](ByteSpan bytes) { return WriteAll(fd, bytes); });
  WriteAll(fd, event.echo_bytes);
}

Status Replayer::CheckHash(const Event& event) {
  if (tasks_[event.task].space == nullptr) return {};
  Husk& husk = *tasks_[event.task].space->husk;
  uint64_t found = TRY(HashWritableMemory(husk.pid(), husk.memory()));
  if (found == event.memory_hash) return {};
  return Diverge(event, &husk,
                 {fmt::format("memory with hash {:#x} after {}", event.memory_hash,
                              DescribeEvent(event, arch_)),
                  fmt::format("memory with hash {:#x}", found), ""});
}

// --- Divergence
// ------------------------------------------------------------------------------------

Error Replayer::Diverge(const Event& event, Husk* husk, const Divergence& divergence) {
  outcome_.diverged = true;
  std::string stack = husk != nullptr ? StackOf(*husk) : "";
  return Error(0, DivergenceReport(event, arch_, divergence, stack));
}

std::string Replayer::StackOf(Husk& husk) {
  Registers registers;
  auto mappings = ReadMappings(husk.pid());
  if (!ptracer::GetRegisters(husk.pid(), registers).ok() || !mappings.ok()) return "";
  // What the husk maps are the trace's blobs, named by hash: give them their old names back.
  std::vector<MappedObject> objects;
  std::vector<std::unique_ptr<MappedFile>> files;
  for (const Mapping& mapping : *mappings) {
    MappedObject object{mapping.start, mapping.size(), mapping.offset,
                        mapping.prot,  mapping.name,   {}};
    struct stat status {};
    for (uint32_t i = 0; mapping.is_file() && i < trace_.objects().size(); ++i) {
      if (fstat(object_fds_[i], &status) != 0 || status.st_ino != mapping.inode) continue;
      object.name = trace_.objects()[i].path;
      if (auto file = MappedFile::Map(object_fds_[i]); file.ok()) {
        files.push_back(std::make_unique<MappedFile>(file.TakeValue()));
        object.bytes = files.back()->bytes();
      }
      break;
    }
    objects.push_back(std::move(object));
  }
  return FormatStack(Unwind(registers, husk.memory(), objects));
}

}  // namespace

Result<ReplayOutcome> Replay(TraceReader& trace, const ReplayOptions& options) {
  return Replayer(trace, options).Run();
}

}  // namespace retake
