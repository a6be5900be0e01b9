// The recorder's view of memory that processes share: files and anonymous memory mapped shared,
// System V segments, and files that one process writes while another has them mapped.
//
// In a trace a shared object is one thing, however many processes map it: in a replay it is a
// memory file, so a store by one is seen by all. That is right only if their user code runs one at
// a time, in the order of events; so before such a map, or write, is made, the processes'
// share-groups become one (Supervisor::Share).
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>

#include "replay/recording.h"
#include "replay/task_files.h"
#include "tracee/maps.h"

namespace retake {
namespace {

// System V segments have ids of their own; no file is on this device.
FileId SegmentId(uint64_t shmid) { return {~uint64_t{0}, shmid & 0xffff'ffff}; }

}  // namespace

const Recording::SharedObject* Recording::FindShared(const FileId& id) const {
  auto found = shared_objects_.find(id);
  if (found == shared_objects_.end()) return nullptr;
  // Once nobody maps it, the file may change with nobody noticing.
  for (const TaskState& state : tasks_) {
    if (state.process == nullptr) continue;
    for (const FileMap& map : state.process->maps.all()) {
      if (map.shared && map.file == id && map.object == found->second.object) return &found->second;
    }
  }
  return nullptr;
}

Result<bool> Recording::ShareWithUsersOf(Task& task, const FileId& id, bool writes) {
  const ProcessState* own = State(task).process.get();
  bool retry = false;
  for (const TaskState& other : tasks_) {
    if (other.process == nullptr || other.task == nullptr || other.process.get() == own) continue;
    bool concerns =
        std::any_of(other.process->maps.all().begin(), other.process->maps.all().end(),
                    [&](const FileMap& map) { return map.file == id && (writes || map.writable); });
    if (concerns && TRY(supervisor_->Share(task, *other.task))) retry = true;
  }
  return retry;
}

Result<bool> Recording::ShareBeforeCall(Task& task, const Row& row) {
  auto arg = [&](int index) { return machine::Argument(task.entry, index); };
  if (task.sys == Sys::shmat) return ShareWithUsersOf(task, SegmentId(arg(0)), true);
  int fd_argument = WriteFdArgument(row);
  if (MapEffectOf(row) == MapEffect::kMap) {
    bool shared = (arg(3) & MAP_TYPE) != MAP_PRIVATE;
    if ((arg(3) & MAP_ANONYMOUS) != 0 || (!shared && shared_objects_.empty())) return false;
    int fd = static_cast<int>(arg(4));
    const FdInfo& info = State(task).fds->Look(task.pid, fd, options_.echo);
    if (!info.regular || !mapped_files_.contains(info.id)) return false;
    bool writes = shared && ((arg(2) & PROT_WRITE) != 0 || IsWritable(task.pid, fd));
    return ShareWithUsersOf(task, info.id, writes);
  }
  if (WriteSourceOf(row) == WriteSource::kNone || fd_argument < 0) return false;
  int fd = static_cast<int>(arg(fd_argument));
  const FdInfo& info = State(task).fds->Look(task.pid, fd, options_.echo);
  if (!info.regular || !mapped_files_.contains(info.id)) return false;
  return ShareWithUsersOf(task, info.id, true);
}

bool Recording::CopySharesMemory(const Task& task) {
  return State(task).process->maps.HasWritableShared();
}

Status Recording::AddLiveMap(Task& task, const SharedObject& live, uint64_t file_size,
                             const FileMap& map, MapOp& op) {
  op.kind = map.shared ? MapOp::Kind::kMapShared : MapOp::Kind::kMapBlob;
  op.object = live.object;
  op.extra = file_size;
  // What calls have written since is in the object only where it was mapped then.
  if (file_size <= live.size && !written_files_.contains(map.file)) return {};
  shared_objects_[map.file].size = std::max(live.size, file_size);
  if (map.offset < file_size && (op.prot & PROT_WRITE) != 0)
    ReadInto(task, {{map.address, std::min(map.size, file_size - map.offset)}}, {});
  return {};
}

Status Recording::AddAttach(Task& task, uint64_t address) {
  auto mappings = TRY(ReadMappings(task.pid));
  auto found = std::find_if(mappings.begin(), mappings.end(),
                            [&](const Mapping& mapping) { return mapping.start == address; });
  if (found == mappings.end()) return Error(0, "an attached segment isn't mapped", task.pid);
  FileId id = SegmentId(machine::Argument(task.entry, 0));
  MapOp op{.kind = MapOp::Kind::kMapShared,
           .address = address,
           .size = found->size(),
           .prot = found->prot};
  if (const SharedObject* live = FindShared(id)) {
    op.object = live->object;
  } else {
    std::vector<uint8_t> bytes(op.size);
    bytes.resize(task.process->memory.ReadSome(address, bytes.data(), bytes.size()));
    std::optional<uint32_t> initial;
    if (std::any_of(bytes.begin(), bytes.end(), [](uint8_t byte) { return byte != 0; }))
      initial = TRY(trace_.AddBytes(bytes, found->name));
    op.object = TRY(trace_.AddShared(op.size, initial, found->name));
    shared_objects_[id] = {op.object, op.size};
  }
  bool writable = (op.prot & PROT_WRITE) != 0;
  State(task).process->maps.Map({address, op.size, 0, id, true, writable, op.object});
  event_.map_ops.push_back(op);
  return {};
}

Status Recording::AddDetach(Task& task) {
  FileMaps& maps = State(task).process->maps;
  uint64_t address = machine::Argument(task.entry, 0);
  const FileMap* map = maps.Find(address);
  if (map == nullptr) return {};
  uint64_t size = map->size;
  maps.Unmap(address, size);
  event_.map_ops.push_back({.kind = MapOp::Kind::kUnmap, .address = address, .size = size});
  return {};
}

// --- Writes to mapped files ----------------------------------------------------------------------

Status Recording::AddFileWriteEffects(Task& task, const FdInfo& info, const Row& row,
                                      int64_t result) {
  // Which bytes of the file changed. Where that isn't plain, all that is mapped counts.
  uint64_t start = 0;
  uint64_t end = ~uint64_t{0};
  int fd = static_cast<int>(machine::Argument(task.entry, WriteFdArgument(row)));
  bool positioned =
      task.sys == Sys::pwrite64 || task.sys == Sys::pwritev || task.sys == Sys::pwritev2;
  if (positioned && machine::Argument(task.entry, 3) != ~uint64_t{0}) {
    start = machine::Argument(task.entry, 3);
    end = start + static_cast<uint64_t>(result);
  } else if (task.sys == Sys::write || task.sys == Sys::writev) {
    if (auto position = Position(task.pid, fd)) {
      end = *position;
      start = end - std::min(end, static_cast<uint64_t>(result));
    }
  }
  ProcessState& own = *State(task).process;
  std::unordered_set<const ProcessState*> seen;
  for (const TaskState& other : tasks_) {
    if (other.process == nullptr || !seen.insert(other.process.get()).second) continue;
    std::vector<Range> changed;
    for (const FileMap& map : other.process->maps.all()) {
      if (!(map.file == info.id) || map.offset >= end || map.offset + map.size <= start) continue;
      uint64_t first = std::max(start, map.offset);
      uint64_t last = std::min(end, map.offset + map.size);
      changed.push_back({map.address + (first - map.offset), last - first});
    }
    if (other.process.get() == &own) {
      ReadInto(task, changed, {});
    } else if (!changed.empty()) {
      changed_elsewhere_.emplace_back(other.task, std::move(changed));
    }
  }
  return {};
}

void Recording::WriteChangesElsewhere() {
  for (const auto& [other, ranges] : changed_elsewhere_) {
    Begin(*other, EventKind::kMemoryChanged);
    ReadInto(*other, ranges, {});
    trace_.Append(event_);
  }
  changed_elsewhere_.clear();
}

}  // namespace retake
