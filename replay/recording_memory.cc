// The recorder's view of memory mappings: what a call did to the address space, put in terms that
// a replay executes.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "base/fd.h"
#include "replay/recording.h"
#include "replay/task_files.h"
#include "stub/layout.h"
#include "tracee/proc_files.h"
#include "tracee/remote_calls.h"

namespace retake {
namespace {

const uint64_t kPageSize = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));

// A private map of a small part of a file larger than this keeps that part, not the whole file.
constexpr uint64_t kLargeFile = 64 << 20;

uint64_t PageUp(uint64_t value) { return (value + kPageSize - 1) & ~(kPageSize - 1); }
uint64_t PageDown(uint64_t value) { return value & ~(kPageSize - 1); }

// Documentation/admin-guide/devices.txt.
bool IsZeroDevice(const struct stat& status) {
  return S_ISCHR(status.st_mode) && status.st_rdev == makedev(1, 5);
}

}  // namespace

// --- Mappings ------------------------------------------------------------------------------------

Status Recording::AddMapEffect(Task& task, MapEffect effect, int64_t result) {
  ProcessState& process = *State(task).process;
  auto arg = [&](int index) { return machine::Argument(task.entry, index); };
  switch (effect) {
    case MapEffect::kMap:
      return AddMap(task, static_cast<uint64_t>(result));
    case MapEffect::kUnmap:
      process.maps.Unmap(arg(0), PageUp(arg(1)));
      process.unseen.Remove(arg(0), PageUp(arg(1)));
      event_.map_ops.push_back(
          {.kind = MapOp::Kind::kUnmap, .address = arg(0), .size = PageUp(arg(1))});
      return {};
    case MapEffect::kProtect: {
      MapOp op{.kind = MapOp::Kind::kProtect,
               .address = arg(0),
               .size = PageUp(arg(1)),
               .prot = static_cast<uint32_t>(machine::Argument(task.made, 2))};
      op.extra = task.sys == Sys::pkey_mprotect ? arg(3) : ~uint64_t{0};
      FollowUnseen(task, op.address, op.size);
      if (op.size > 0) event_.map_ops.push_back(op);
      bool is_code = (op.prot & PROT_EXEC) != 0 && process.maps.HasPrivate(op.address, op.size);
      return is_code ? PlantTrapsIn(task, {op.address, op.size}, KindsToPlant(task)) : Status();
    }
    case MapEffect::kRemap:
      return AddRemap(task, static_cast<uint64_t>(result));
    case MapEffect::kBrk:
      return AddBrk(task, static_cast<uint64_t>(result));
    case MapEffect::kAdvise:
      return AddAdvise(task);
    case MapEffect::kExecuted:
      event_.map_ops.push_back({.kind = MapOp::Kind::kRawCall,
                                .address = arg(0),
                                .size = arg(1),
                                .prot = static_cast<uint32_t>(arg(2)),
                                .flags = static_cast<uint32_t>(machine::SyscallNumber(task.entry)),
                                .offset = arg(3)});
      return {};
    case MapEffect::kAttach:
      return task.sys == Sys::shmdt ? AddDetach(task)
                                    : AddAttach(task, static_cast<uint64_t>(result));
    case MapEffect::kNone:
    case MapEffect::kExec:
      return {};
  }
  return {};
}

Status Recording::AddMap(Task& task, uint64_t address) {
  ProcessState& process = *State(task).process;
  uint64_t size = PageUp(machine::Argument(task.entry, 1));
  uint64_t flags = machine::Argument(task.entry, 3);
  process.maps.Unmap(address, size);
  MapOp op{.kind = MapOp::Kind::kMapAnonymous,
           .address = address,
           .size = size,
           .prot = static_cast<uint32_t>(machine::Argument(task.made, 2)),
           .flags = static_cast<uint32_t>(flags & MAP_GROWSDOWN)};
  FollowUnseen(task, address, size);
  if ((flags & MAP_ANONYMOUS) == 0) return AddFileMap(task, address, size);
  if ((flags & MAP_TYPE) == MAP_SHARED || (flags & MAP_TYPE) == MAP_SHARED_VALIDATE) {
    op.kind = MapOp::Kind::kMapShared;
    op.object = TRY(trace_.AddShared(size, std::nullopt, ""));
    // Memory without a name: an object of its own, that only a fork can share.
    process.maps.Map({address, size, 0, {0, op.object}, true, true, op.object});
  }
  event_.map_ops.push_back(op);
  return {};
}

Status Recording::AddFileMap(Task& task, uint64_t address, uint64_t size) {
  ProcessState& process = *State(task).process;
  int fd = static_cast<int>(machine::Argument(task.entry, 4));
  uint64_t offset = machine::Argument(task.entry, 5);
  uint32_t prot = static_cast<uint32_t>(machine::Argument(task.entry, 2));
  bool shared = (machine::Argument(task.entry, 3) & MAP_TYPE) != MAP_PRIVATE;

  struct stat status {};
  std::string link = fmt::format("/proc/{}/fd/{}", task.pid, fd);
  if (stat(link.c_str(), &status) != 0)
    return ErrnoError("can't look at the file that the program maps ({})", link);
  MapOp op{.address = address, .size = size, .prot = prot, .offset = offset};
  if (IsZeroDevice(status)) {
    op.kind = MapOp::Kind::kMapAnonymous;
    op.offset = 0;
    if (shared) {
      op.kind = MapOp::Kind::kMapShared;
      op.object = TRY(trace_.AddShared(size, std::nullopt, "/dev/zero"));
      process.maps.Map({address, size, 0, {0, op.object}, true, true, op.object});
    }
    event_.map_ops.push_back(op);
    return {};
  }
  char path[4096];
  ssize_t length = readlink(link.c_str(), path, sizeof path);
  std::string name = length > 0 ? std::string(path, static_cast<size_t>(length)) : link;
  if (!S_ISREG(status.st_mode)) {
    return Error(
        0, fmt::format("the program maps the device {}, whose memory can't be recorded", name),
        task.pid);
  }

  FileId id{status.st_dev, status.st_ino};
  FileMap map{address, size, offset, id, shared, false, 0};
  map.writable = shared && ((prot & PROT_WRITE) != 0 || IsWritable(task.pid, fd));
  Fd file = OpenTaskFd(task.pid, fd);
  const SharedObject* live = FindShared(id);
  if (live != nullptr) {
    TRY(AddLiveMap(task, *live, static_cast<uint64_t>(status.st_size), map, op));
  } else if (!file) {
    // It may not be opened again (permissions have changed since): take what the mapping shows.
    std::vector<uint8_t> bytes(size);
    bytes.resize(task.process->memory.ReadSome(address, bytes.data(), bytes.size()));
    op.object = TRY(trace_.AddBytes(bytes, name));
    op.kind = MapOp::Kind::kMapBlob;
    op.offset = 0;
  } else if (!map.writable && static_cast<uint64_t>(status.st_size) > kLargeFile &&
             size < static_cast<uint64_t>(status.st_size) / 4) {
    std::vector<uint8_t> bytes(size);
    ssize_t got = pread(file.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
    bytes.resize(got > 0 ? static_cast<size_t>(got) : 0);
    op.object = TRY(trace_.AddBytes(bytes, name));
    op.kind = MapOp::Kind::kMapBlob;
    op.offset = 0;
    map.shared = false;
  } else {
    op.object = TRY(KeepFile(file.get(), status, name));
    op.kind = MapOp::Kind::kMapBlob;
    if (shared) {
      // Someone may write it, now or later.
      auto file_size = static_cast<uint64_t>(status.st_size);
      op.object = TRY(trace_.AddShared(file_size, op.object, name));
      op.kind = MapOp::Kind::kMapShared;
      shared_objects_[id] = {op.object, file_size};
    }
  }
  mapped_files_.insert(id);
  if (map.writable) written_files_.insert(id);
  map.object = op.object;
  process.maps.Map(map);
  event_.map_ops.push_back(op);
  bool is_code = (prot & PROT_EXEC) != 0 && !shared;
  if (!is_code || !file) return {};
  return PlantTraps(task, {address, size, offset}, file.get(), status, KindsToPlant(task));
}

Status Recording::AddRemap(Task& task, uint64_t to) {
  uint64_t from = machine::Argument(task.entry, 0);
  uint64_t from_size = PageUp(machine::Argument(task.entry, 1));
  uint64_t to_size = PageUp(machine::Argument(task.entry, 2));
  State(task).process->maps.Remap(from, from_size, to, to_size);
  State(task).process->unseen.Move(from, from_size, to, to_size);
  event_.map_ops.push_back({.kind = MapOp::Kind::kRemap,
                            .address = from,
                            .size = from_size,
                            .flags = static_cast<uint32_t>(machine::Argument(task.entry, 3)),
                            .new_address = to,
                            .new_size = to_size});
  return {};
}

Status Recording::LearnBrk(Task& task) {
  // brk(0) asks the kernel for it; a program that begins otherwise has its break where the kernel
  // put it at exec.
  constexpr size_t kStartBrk = 47;
  State(task).process->brk = TRY(ProcStat::Read(task.pid)).address(kStartBrk);
  return {};
}

Status Recording::AddBrk(Task& task, uint64_t result) {
  ProcessState& process = *State(task).process;
  uint64_t before = PageUp(process.brk);
  uint64_t after = PageUp(result);
  if (process.brk != 0 && after > before) {
    event_.map_ops.push_back({.kind = MapOp::Kind::kMapAnonymous,
                              .address = before,
                              .size = after - before,
                              .prot = PROT_READ | PROT_WRITE});
  } else if (process.brk != 0 && after < before) {
    event_.map_ops.push_back(
        {.kind = MapOp::Kind::kUnmap, .address = after, .size = before - after});
  }
  process.brk = result;
  return {};
}

Status Recording::AddAdvise(Task& task) {
  uint64_t address = machine::Argument(task.entry, 0);
  uint64_t size = PageUp(machine::Argument(task.entry, 1));
  uint64_t advice = machine::Argument(task.entry, 2);
  switch (advice) {
    case MADV_DONTNEED:
    case MADV_DONTFORK:
    case MADV_DOFORK:
    case MADV_WIPEONFORK:
    case MADV_KEEPONFORK:
    case MADV_REMOVE:
#ifdef MADV_DONTNEED_LOCKED
    case MADV_DONTNEED_LOCKED:
#endif
      break;
    default:
      return {};  // no effect that a program could see
  }
  if (size == 0) return {};
  event_.map_ops.push_back({.kind = MapOp::Kind::kAdvise,
                            .address = address,
                            .size = size,
                            .flags = static_cast<uint32_t>(advice)});
  if (advice != MADV_DONTNEED) return {};
  ProcessState& process = *State(task).process;
  // Pages of a private file map now show what the file holds, which may have changed since it was
  // kept.
  std::vector<Range> changed;
  for (const FileMap& map : process.maps.all()) {
    if (map.shared || !written_files_.contains(map.file)) continue;
    uint64_t first = std::max(PageDown(address), map.address);
    uint64_t last = std::min(address + size, map.end());
    if (first < last) changed.push_back({first, last - first});
  }
  ReadInto(task, changed, {});
  if (!process.maps.HasPrivate(address, size)) return {};
  // ... and code is what it was before anything was changed in it.
  return PlantTrapsIn(task, {PageDown(address), PageUp(size)}, KindsToPlant(task));
}

}  // namespace retake
