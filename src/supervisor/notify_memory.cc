// Memory of a thread's process from outside. Transfers are cut at pages: process_vm_readv promises
// partial results only between the elements of its vectors.
#include "supervisor/notify_memory.h"

#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <memory>

#include "base/fd.h"
#include "base/features.h"

namespace retake {
namespace {

// A page boundary of every page size is one of these too.
constexpr uint64_t kPiece = 4096;
constexpr size_t kMaxPieces = 16;

// The elements that cover as much of [address, address + size) as fits; an address that wraps ends
// them.
size_t CutAtPages(uint64_t address, size_t size, iovec (&pieces)[kMaxPieces]) {
  size_t count = 0;
  while (size > 0 && count < kMaxPieces) {
    const size_t here = std::min<uint64_t>(size, kPiece - address % kPiece);
    pieces[count++] = {reinterpret_cast<void*>(address), here};
    address += here;
    size -= here;
    if (address == 0) break;
  }
  return count;
}

Fd OpenMemory(pid_t tid, int flags) {
  char path[32];
  snprintf(path, sizeof path, "/proc/%d/mem", tid);
  return Fd(open(path, flags | O_CLOEXEC));
}

// Whether all of [address, address + size) is mapped writable. /proc/TID/mem writes through
// protections, which a kernel answering the call would not.
bool MayWrite(pid_t tid, uint64_t address, uint64_t size) {
  char path[32];
  snprintf(path, sizeof path, "/proc/%d/maps", tid);
  std::unique_ptr<FILE, int (*)(FILE*)> maps(fopen(path, "re"), fclose);
  if (!maps || address + size < address) return false;
  const uint64_t end = address + size;
  char* line = nullptr;
  size_t capacity = 0;
  bool covered = false;
  while (!covered && getline(&line, &capacity, maps.get()) > 0) {
    uint64_t from = 0;
    uint64_t to = 0;
    char writable = '-';
    if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %*c%c", &from, &to, &writable) != 3) break;
    if (to <= address) continue;
    if (from > address || writable != 'w') break;
    address = to;
    covered = address >= end;
  }
  free(line);
  return covered;
}

}  // namespace

size_t ThreadMemory::ReadSome(uint64_t address, void* buffer, size_t size) const {
  auto* out = static_cast<char*>(buffer);
  size_t done = 0;
  if (!MayUse(Feature::kProcessVm)) {
    Fd memory = OpenMemory(tid_, O_RDONLY);
    if (!memory) return 0;
    while (done < size) {
      // Addresses above the range of off_t are the kernel's.
      const ssize_t got =
          pread(memory.get(), out + done, size - done, static_cast<off_t>(address + done));
      if (got <= 0) break;
      done += static_cast<size_t>(got);
    }
    return done;
  }
  while (done < size) {
    iovec remote[kMaxPieces];
    const size_t count = CutAtPages(address + done, size - done, remote);
    size_t wanted = 0;
    for (size_t i = 0; i < count; ++i) wanted += remote[i].iov_len;
    const iovec local = {out + done, wanted};
    const ssize_t got = process_vm_readv(tid_, &local, 1, remote, count, 0);
    if (got <= 0) break;
    done += static_cast<size_t>(got);
    if (static_cast<size_t>(got) < wanted) break;
  }
  return done;
}

bool ThreadMemory::Write(uint64_t address, ByteSpan bytes) {
  size_t done = 0;
  if (!MayUse(Feature::kProcessVm)) {
    if (!MayWrite(tid_, address, bytes.size())) return false;
    Fd memory = OpenMemory(tid_, O_WRONLY);
    if (!memory) return false;
    while (done < bytes.size()) {
      const ssize_t put = pwrite(memory.get(), bytes.data() + done, bytes.size() - done,
                                 static_cast<off_t>(address + done));
      if (put <= 0) return false;
      done += static_cast<size_t>(put);
    }
    return true;
  }
  while (done < bytes.size()) {
    iovec remote[kMaxPieces];
    const size_t count = CutAtPages(address + done, bytes.size() - done, remote);
    size_t wanted = 0;
    for (size_t i = 0; i < count; ++i) wanted += remote[i].iov_len;
    const iovec local = {const_cast<uint8_t*>(bytes.data()) + done, wanted};
    const ssize_t put = process_vm_writev(tid_, &local, 1, remote, count, 0);
    if (put <= 0 || static_cast<size_t>(put) < wanted) return false;
    done += wanted;
  }
  return true;
}

}  // namespace retake
