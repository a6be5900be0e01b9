// Stopping a task that computes at a state that a replay can find again.
#include <fcntl.h>
#include <sys/stat.h>

#include <map>

#include "base/fd.h"
#include "replay/recording.h"
#include "replay/stack_trace.h"
#include "tracee/remote_calls.h"

namespace retake {
namespace {

// Of larger files, what is in memory has to do.
constexpr off_t kMostObjectBytes = off_t{1} << 28;

// The whole file; empty if it can't be had. It is the program's own and may change at any time, so
// it isn't mapped.
std::vector<uint8_t> ReadWhole(int fd, const struct stat& status) {
  std::vector<uint8_t> bytes;
  if (status.st_size > kMostObjectBytes) return bytes;
  bytes.resize(static_cast<size_t>(status.st_size));
  ssize_t got = pread(fd, bytes.data(), bytes.size(), 0);
  bytes.resize(got > 0 ? static_cast<size_t>(got) : 0);
  return bytes;
}

// Of a stopped task.
std::string StackOf(const Task& task) {
  Registers registers;
  auto mappings = ReadMappings(task.pid);
  if (!ptracer::GetRegisters(task.pid, registers).ok() || !mappings.ok()) return "";
  std::map<uint64_t, std::vector<uint8_t>> files;  // by inode
  std::vector<MappedObject> objects;
  for (const Mapping& mapping : *mappings) {
    MappedObject object{mapping.start, mapping.size(), mapping.offset,
                        mapping.prot,  mapping.name,   {}};
    if (mapping.is_file()) {
      auto [place, first] = files.try_emplace(mapping.inode);
      struct stat status {};
      Fd file = first ? OpenMappedFile(task.pid, task.process->memory, mapping, &status) : Fd();
      if (file && S_ISREG(status.st_mode)) place->second = ReadWhole(file.get(), status);
      object.bytes = place->second;
    }
    objects.push_back(std::move(object));
  }
  return FormatStack(Unwind(registers, task.process->memory, objects));
}

}  // namespace

Result<Preemption> Recording::Preempt(Task& task, uint32_t spin_steps) {
  TRY(CheckHealth());
  TaskState& state = State(task);
  ProcessState& process = *state.process;
  const TaskMemory& memory = task.process->memory;
  Preemption result;
  // A timer that is quicker than the single steps would end every attempt.
  SignalsHeld guard = TRY(SignalsHeld::HoldAsynchronous(task.pid));
  bool parked = false;
  if (spin_steps > 0) {
    SpinVerdict spin = TRY(process.spins.Park(task.pid, memory, spin_steps));
    switch (spin.kind) {
      case SpinVerdict::Kind::kParked:
        parked = true;
        break;
      case SpinVerdict::Kind::kNotProved:
      case SpinVerdict::Kind::kBeforeCall:
        return result;
      case SpinVerdict::Kind::kStopped:
        result.kind = Preemption::Kind::kStopped;
        result.status = spin.status;
        return result;
    }
  }
  ResumeKind resume = options_.filtered ? ResumeKind::kToSyscall : ResumeKind::kContinue;
  MarkOutcome outcome =
      parked ? TRY(process.marker.Mark(task.pid, memory, 0))
             : TRY(process.marker.Mark(task.pid, memory, StateMarker::kDefaultSteps, resume));
  switch (outcome.kind) {
    case MarkOutcome::Kind::kBeforeCall:
      return result;
    case MarkOutcome::Kind::kStopped:
      result.kind = Preemption::Kind::kStopped;
      result.status = outcome.status;
      result.trap_pending = outcome.trap_pending;
      return result;
    case MarkOutcome::Kind::kMarked:
      break;
  }
  result.registers = outcome.registers;
  if (parked) {
    if (state.park && state.park->registers == outcome.mark.registers &&
        state.park->memory == outcome.mark.memory) {
      // Whatever it did since, nobody can tell that it did anything.
      result.kind = Preemption::Kind::kStillParked;
      return result;
    }
    state.park = outcome.mark;
  }
  result.kind = parked ? Preemption::Kind::kParked : Preemption::Kind::kDone;
  Begin(task, EventKind::kPreemption);
  event_.before = event_.after = outcome.registers;
  machine::ForgetSyscall(event_.after);
  event_.vector_state = outcome.mark.vector;
  ByteWriter mark;
  EncodeMark(outcome.mark, mark);
  event_.mark = mark.Take();
  Write(task);
  return result;
}

void Recording::OnLivelock(const std::vector<Task*>& tasks, int64_t duration) {
  std::string text =
      fmt::format("livelock: {} tasks spin, and nobody has written what they wait for in {} s\n",
                  tasks.size(), duration / 1'000);
  for (const Task* task : tasks) text += fmt::format("task {}:\n{}", task->pid, StackOf(*task));
  text.pop_back();
  // Each line says whose it is.
  for (size_t at = 0; (at = text.find('\n', at)) != text.npos;) text.insert(++at, "retake: ");
  options_.warn_now(text);
}

}  // namespace retake
