// The recorder's view of tasks: new ones, their ends, signals.
//
// The kernel writes into a program's memory when a task ends, after its last stop: it clears the
// thread id that pthread_join waits for (CLONE_CHILD_CLEARTID), and marks the robust futexes that
// the task held (kernel/futex/core.c, exit_robust_list). What those words are is noted before, and
// what has become of them is part of the event; of those in memory that other processes share, an
// event of one of these, once the task's own memory is gone.
#include <linux/futex.h>
#include <sched.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "replay/recording.h"
#include "supervisor/exec_setup.h"
#include "tracee/remote_calls.h"

namespace retake {
namespace {

// A word that the kernel wrote into the program's memory.
void AddWord(Event& event, uint64_t address, uint32_t value) {
  std::span<uint8_t> out = event.AddWrite(address, sizeof value);
  memcpy(out.data(), &value, sizeof value);
}

}  // namespace

// --- Tasks ---------------------------------------------------------------------------------------

void Recording::FollowTask(Task& task) {
  switch (task.sys) {
    case Sys::set_tid_address:
      State(task).clear_tid = machine::Argument(task.entry, 0);
      break;
    case Sys::set_robust_list:
      State(task).robust_list = machine::Argument(task.entry, 0);
      break;
    default:
      break;
  }
}

Status Recording::OnNewTask(Task& parent, Task& child, NewTaskKind kind) {
  // Reserve before taking references: State() may move the table.
  State(child);
  TaskState& from = State(parent);
  TaskState& to = State(child);
  to.task = &child;
  uint64_t flags = CloneFlags(parent);
  to.fds = (flags & CLONE_FILES) != 0 ? from.fds : std::make_shared<FdTable>(*from.fds);
  to.cpuid_trapped = from.cpuid_trapped;
  to.affinity = from.affinity;
  if ((flags & CLONE_CHILD_CLEARTID) != 0) to.clear_tid = ChildTidAddress(parent);
  if (kind == NewTaskKind::kFork) {
    to.process = std::make_shared<ProcessState>(*from.process);
    to.process->scratch.FreeAll();
  } else {
    to.process = from.process;
    to.borrows_memory = kind == NewTaskKind::kVfork;
  }

  Begin(parent, EventKind::kTaskNew);
  event_.before = parent.entry;
  event_.after = child.last;
  machine::ForgetSyscall(event_.after);
  event_.new_task = child.id;
  event_.pid = child.pid;
  event_.sharing = kind == NewTaskKind::kThread  ? TaskSharing::kThread
                   : kind == NewTaskKind::kVfork ? TaskSharing::kBorrowed
                                                 : TaskSharing::kProcess;
  if (kind != NewTaskKind::kFork) {
    TRY(TrapCpuidInBoth(parent, child));
    // Thread ids that the kernel has written for the parent, which the child can see.
    std::vector<Range> outputs;
    OutputRanges(RowOf(parent.sys), CallOf(parent, child.pid), outputs);
    ReadInto(child, outputs, {});
  }
  // The thread id that the kernel writes into the child's memory before its first instruction.
  if ((flags & CLONE_CHILD_SETTID) != 0) {
    uint64_t address = ChildTidAddress(parent);
    uint32_t tid = 0;
    if (child.process->memory.ReadValue(address, &tid)) {
      AddWord(event_, address, tid);
    }
  }
  trace_.Append(event_);
  from.entered = true;
  trace_.manifest().tasks = std::max<uint64_t>(trace_.manifest().tasks, child.id + 1);
  return {};
}

// --- Ends ----------------------------------------------------------------------------------------

void Recording::NoteLastWords(Task& task) {
  TaskState& state = State(task);
  const TaskMemory& memory = task.process->memory;
  state.last_words.clear();
  auto note = [&](uint64_t address) {
    uint32_t value = 0;
    if (memory.ReadValue(address, &value)) state.last_words.push_back({address, value});
  };
  if (state.clear_tid != 0) note(state.clear_tid);
  // struct robust_list_head: the list, the offset of the futex word, an entry that was about to be
  // added or removed. The lowest bit of a pointer says that its futex inherits priority.
  uint64_t head[3] = {};
  if (state.robust_list == 0 || !memory.Read(state.robust_list, head, sizeof head)) return;
  auto word_of = [&](uint64_t entry) { return (entry & ~uint64_t{1}) + head[1]; };
  if (head[2] != 0) note(word_of(head[2]));
  uint64_t entry = head[0];
  for (int i = 0; i < ROBUST_LIST_LIMIT && (entry & ~uint64_t{1}) != state.robust_list; ++i) {
    note(word_of(entry));
    if (!memory.ReadValue(entry & ~uint64_t{1}, &entry)) break;
  }
}

void Recording::AddLastWords(Task& task) {
  TaskState& state = State(task);
  std::vector<LastWord> unread;
  for (const LastWord& word : state.last_words) {
    uint32_t now = 0;
    if (!task.process->memory.ReadValue(word.address, &now)) {
      unread.push_back(word);
      continue;
    }
    if (now == word.value) continue;
    AddWord(event_, word.address, now);
  }
  state.last_words = std::move(unread);
}

void Recording::WriteLastWordsElsewhere(TaskState& state) {
  for (const LastWord& word : std::exchange(state.last_words, {})) {
    const FileMap* own = state.process->maps.Find(word.address);
    if (own == nullptr || !own->shared) continue;
    uint64_t offset = own->offset + (word.address - own->address);
    for (const TaskState& other : tasks_) {
      if (other.process == nullptr || other.process == state.process || other.task == nullptr)
        continue;
      const auto& maps = other.process->maps.all();
      auto map = std::find_if(maps.begin(), maps.end(), [&](const FileMap& candidate) {
        return candidate.shared && candidate.file == own->file && candidate.offset <= offset &&
               offset < candidate.offset + candidate.size;
      });
      if (map == maps.end()) continue;
      uint64_t address = map->address + (offset - map->offset);
      uint32_t now = 0;
      if (!other.task->process->memory.ReadValue(address, &now)) continue;
      if (now == word.value) break;
      Begin(*other.task, EventKind::kMemoryChanged);
      AddWord(event_, address, now);
      trace_.Append(event_);
      break;
    }
  }
}

Status Recording::OnExiting(Task& task) {
  if (task.group->members > 1) NoteLastWords(task);
  return {};
}

Status Recording::OnReleased(Task& task) {
  Begin(task, EventKind::kMemoryChanged);
  AddLastWords(task);
  if (!event_.writes.empty()) Write(task);
  WriteLastWordsElsewhere(State(task));
  return {};
}

Status Recording::OnGone(Task& task, WaitStatus status) {
  TaskState& state = State(task);
  if (events_ == 0) return {};  // killed before its first exec
  Begin(task, EventKind::kTaskGone);
  event_.wait_status = status.raw();
  event_.pid = task.pid;
  AddLastWords(task);
  trace_.Append(event_);
  WriteLastWordsElsewhere(state);
  if (state.redirection) state.redirection->Release(state.process->scratch);
  if (task.id == 0) trace_.manifest().wait_status = status.raw();
  state = TaskState{};
  if (echo_writer_ == task.id) {
    echo_writer_.reset();
    supervisor_->Release();
  }
  return {};
}

// --- Signals -------------------------------------------------------------------------------------

Status Recording::OnSignal(Task& task, const SignalArrival& arrival) {
  Begin(task, arrival.synchronous ? EventKind::kFault : EventKind::kSignal);
  event_.signal = arrival.signal;
  // A call that it was about to make is made after the handler's.
  State(task).entered = false;
  event_.before = arrival.before;
  event_.after = arrival.after;
  machine::ForgetSyscall(event_.after);
  TRY(ptracer::GetVector(task.pid, event_.vector_state));
  // The frame lies between the new stack pointer and the old one, or at the top of an alternate
  // stack.
  uint64_t most = machine::MaxSignalFrame(event_.vector_state.size());
  uint64_t sp = Sp(arrival.after);
  uint64_t size = most;
  if (Sp(arrival.before) > sp && Sp(arrival.before) - sp < most) size = Sp(arrival.before) - sp;
  ReadInto(task, {{sp, size}}, {});
  Write(task);
  return {};
}

}  // namespace retake
