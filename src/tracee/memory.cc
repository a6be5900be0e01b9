#include "tracee/memory.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "base/features.h"
#include "tracee/maps.h"

namespace retake {

Result<TaskMemory> TaskMemory::Open(pid_t pid) {
  Fd mem(open(fmt::format("/proc/{}/mem", pid).c_str(), O_RDWR | O_CLOEXEC));
  if (!mem) {
    int code = errno;
    return Error(code, "can't open the program's memory", pid);
  }
  return TaskMemory(pid, std::move(mem));
}

size_t TaskMemory::ReadSome(uint64_t address, void* buffer, size_t size) const {
  if (size == 0) return 0;
  if (MayUse(Feature::kProcessVm) && !through_file_) {
    iovec local{buffer, size};
    iovec remote{reinterpret_cast<void*>(address), size};
    ssize_t got = process_vm_readv(pid_, &local, 1, &remote, 1, 0);
    if (got == static_cast<ssize_t>(size)) return size;
  }
  // Page protections don't bind /proc/PID/mem; a partial read ends at the first page that isn't
  // there.
  size_t done = 0;
  while (done < size) {
    ssize_t got = pread(mem_.get(), static_cast<char*>(buffer) + done, size - done,
                        static_cast<off_t>(address + done));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    done += static_cast<size_t>(got);
  }
  return done;
}

void TaskMemory::Gather(std::span<Piece> pieces) const {
  constexpr size_t kMost = 64;
  std::array<iovec, kMost> local;
  std::array<iovec, kMost> remote;
  while (!pieces.empty()) {
    size_t count = std::min(pieces.size(), kMost);
    size_t total = 0;
    for (size_t i = 0; i < count; ++i) {
      local[i] = {pieces[i].buffer.data(), pieces[i].buffer.size()};
      remote[i] = {reinterpret_cast<void*>(pieces[i].address), pieces[i].buffer.size()};
      total += pieces[i].buffer.size();
    }
    ssize_t got = -1;
    if (MayUse(Feature::kProcessVm) && !through_file_ && total > 0) {
      got = process_vm_readv(pid_, local.data(), count, remote.data(), count, 0);
    }
    for (size_t i = 0; i < count; ++i) {
      pieces[i].got =
          got == static_cast<ssize_t>(total)
              ? pieces[i].buffer.size()
              : ReadSome(pieces[i].address, pieces[i].buffer.data(), pieces[i].buffer.size());
    }
    pieces = pieces.subspan(count);
  }
}

Status TaskMemory::Write(uint64_t address, ByteSpan bytes) const {
  if (bytes.empty()) return {};
  if (MayUse(Feature::kProcessVm)) {
    ssize_t put = WriteDirectly(address, bytes);
    if (put == static_cast<ssize_t>(bytes.size())) return {};
    if (put < 0 && errno == ESRCH) return Error(ESRCH, "can't write the program's memory", pid_);
  }
  return ForceWrite(address, bytes);
}

Status TaskMemory::Scatter(std::span<const Output> outputs) const {
  constexpr size_t kMost = 512;
  std::array<iovec, kMost> local, remote;
  while (!outputs.empty()) {
    size_t count = std::min(outputs.size(), kMost);
    ssize_t total = 0;
    for (size_t i = 0; i < count; ++i) {
      local[i] = {const_cast<uint8_t*>(outputs[i].bytes.data()), outputs[i].bytes.size()};
      remote[i] = {reinterpret_cast<void*>(outputs[i].address), outputs[i].bytes.size()};
      total += static_cast<ssize_t>(outputs[i].bytes.size());
    }
    bool all = MayUse(Feature::kProcessVm) &&
               process_vm_writev(pid_, local.data(), count, remote.data(), count, 0) == total;
    for (size_t i = 0; i < count && !all; ++i) TRY(Write(outputs[i].address, outputs[i].bytes));
    outputs = outputs.subspan(count);
  }
  return {};
}

Status TaskMemory::WriteAsTask(uint64_t address, ByteSpan bytes) const {
  if (bytes.empty()) return {};
  if (MayUse(Feature::kProcessVm)) {
    ssize_t put = WriteDirectly(address, bytes);
    if (put == static_cast<ssize_t>(bytes.size())) return {};
    if (put >= 0 || errno == EFAULT)
      return Error(EFAULT, "the program's memory isn't writable there", pid_);
  }
  return ForceWrite(address, bytes);
}

bool TaskMemory::WriteIfAllowed(uint64_t address, ByteSpan bytes) const {
  return MayUse(Feature::kProcessVm) &&
         WriteDirectly(address, bytes) == static_cast<ssize_t>(bytes.size());
}

ssize_t TaskMemory::WriteDirectly(uint64_t address, ByteSpan bytes) const {
  iovec local{const_cast<uint8_t*>(bytes.data()), bytes.size()};
  iovec remote{reinterpret_cast<void*>(address), bytes.size()};
  return process_vm_writev(pid_, &local, 1, &remote, 1, 0);
}

bool TaskMemory::WriteToSharedFile(uint64_t address, ByteSpan bytes) const {
  if (shared_files_.empty()) return false;
  Result<std::vector<Mapping>> mappings = ReadMappings(pid_);
  if (!mappings.ok()) return false;
  auto mapping = std::ranges::find_if(
      *mappings, [&](const Mapping& at) { return address >= at.start && address < at.end; });
  if (mapping == mappings->end() || !mapping->shared || address + bytes.size() > mapping->end)
    return false;
  for (int file : shared_files_) {
    struct stat status {};
    if (fstat(file, &status) != 0 || status.st_dev != mapping->device ||
        status.st_ino != mapping->inode) {
      continue;
    }
    auto offset = static_cast<off_t>(mapping->offset + (address - mapping->start));
    return pwrite(file, bytes.data(), bytes.size(), offset) == static_cast<ssize_t>(bytes.size());
  }
  return false;
}

Status TaskMemory::ForceWrite(uint64_t address, ByteSpan bytes) const {
  size_t done = 0;
  while (done < bytes.size()) {
    ssize_t put = pwrite(mem_.get(), bytes.data() + done, bytes.size() - done,
                         static_cast<off_t>(address + done));
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) {
      int code = put == 0 ? ESRCH : errno;
      if (WriteToSharedFile(address + done, bytes.subspan(done))) return {};
      return Error(code,
                   fmt::format("can't write {} bytes of the program's memory at {:#x}",
                               bytes.size() - done, address + done),
                   pid_);
    }
    done += static_cast<size_t>(put);
  }
  return {};
}

}  // namespace retake
