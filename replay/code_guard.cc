#include "replay/code_guard.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>

#include "tracee/maps.h"
#include "tracee/remote_calls.h"

namespace retake {
namespace {

uint64_t PageMask() {
  static const auto mask = static_cast<uint64_t>(sysconf(_SC_PAGESIZE)) - 1;
  return mask;
}

}  // namespace

Result<CodeGuard> CodeGuard::For(pid_t pid, uint64_t site, uint64_t size) {
  CodeGuard guard(pid);
  std::vector<Mapping> mappings = TRY(ReadMappings(pid));
  uint64_t first = site & ~PageMask();
  uint64_t end = (site + size + PageMask()) & ~PageMask();
  for (const Mapping& code : mappings) {
    uint64_t from = std::max(first, code.start);
    uint64_t to = std::min(end, code.end);
    if (from >= to) continue;
    if (!code.shared) {
      if ((code.prot & PROT_WRITE) != 0) guard.pages_.push_back({from, to, code.prot});
      continue;
    }
    // Shared memory may be mapped more than once: executable here, writable there.
    uint64_t offset = code.offset + (from - code.start);
    uint64_t offset_end = offset + (to - from);
    for (const Mapping& alias : mappings) {
      bool same = alias.shared && alias.device == code.device && alias.inode == code.inode;
      if (!same || (alias.prot & PROT_WRITE) == 0) continue;
      uint64_t alias_from = std::max(offset, alias.offset);
      uint64_t alias_to = std::min(offset_end, alias.offset + alias.size());
      if (alias_from >= alias_to) continue;
      guard.pages_.push_back({alias.start + (alias_from - alias.offset),
                              alias.start + (alias_to - alias.offset), alias.prot});
    }
  }
  return guard;
}

bool CodeGuard::Stopped(const siginfo_t& info) const {
  if (!raised_ || info.si_signo != SIGSEGV || info.si_code != SEGV_ACCERR) return false;
  auto address = reinterpret_cast<uint64_t>(info.si_addr);
  return std::ranges::any_of(
      pages_, [&](const Pages& pages) { return address >= pages.start && address < pages.end; });
}

Status CodeGuard::Protect(TaskMemory& memory, const Registers& registers, bool raise) {
  if (raised_ == raise || !is_needed()) return {};
  std::vector<BatchCall> calls;
  for (const Pages& pages : pages_) {
    uint32_t prot = raise ? pages.prot & ~uint32_t{PROT_WRITE} : pages.prot;
    calls.push_back(MakeCall(Sys::mprotect, pages.start, pages.end - pages.start, prot));
  }
  SignalsHeld held = TRY(SignalsHeld::Hold(pid_));
  RemoteCalls remote(pid_, memory, registers);
  TRY(remote.Run(calls));
  raised_ = raise;
  for (const BatchCall& call : calls) {
    if (CallFailed(call.result)) {
      return Error(static_cast<int>(-call.result),
                   fmt::format("can't protect the program's code at {:#x}", call.args[0]), pid_);
    }
  }
  return ptracer::SetRegisters(pid_, registers);
}

}  // namespace retake
